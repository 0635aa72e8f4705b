"""Runs one scenario of the catalogue at one server and gives what it answered, not yet normalised.

Each scenario has a namespace and an API group of its own; its definitions are made first and waited for, and are
deleted at the end. README.md beside this file tells what a scenario may say.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from upstream_cases import expanded, made
from upstream_normal import HEADERS, Said
from upstream_text import at, filled
from upstream_wire import Answer, Server, exchange

HERE = Path(__file__).parent
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_STEP_S = 20.0
_POLL_S = 10.0
Obj = dict[str, Any]


def load_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def catalogue() -> dict[str, list[Obj]]:
    """Scenarios by the name of their file."""
    return {path.stem: expanded(load_yaml(path)) for path in sorted((HERE / "catalogue").glob("*.yaml"))}


@dataclass
class Scenario:
    """`core` is where namespaces are made: the server itself, or the one that upstream's delegates to."""

    server: Server
    core: Server
    told: Obj
    words: Obj = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)

    async def run(self) -> list[Said]:
        name = self.told["name"]
        group, namespace = f"{name}.example.com", f"u-{name}"
        prefix = f"/apis/{group}/v1"
        self.words |= {
            "G": group,
            "NS": namespace,
            "CRDS": CRDS,
            "P": f"/apis/{group}",
            "W": f"{prefix}/namespaces/{namespace}/widgets",
            "C": f"{prefix}/gadgets",
        }
        definitions = [self._definition(each) for each in self.told.get("crds", ())]
        made = {"metadata": {"name": namespace}}
        await self._plain(self.core, "POST", "/api/v1/namespaces", made)
        for definition in definitions:
            await self._plain(self.server, "POST", CRDS, definition)
        for definition in definitions:
            await self._served(definition)
        for step in self.told.get("setup", ()):
            await self._step({"quiet": True, **step})
        for step in self.told["steps"]:
            await self._step(step)
        for definition in definitions:
            await self._plain(self.server, "DELETE", f"{CRDS}/{definition['metadata']['name']}")
        return self.said

    def _definition(self, told: str | Obj) -> Obj:
        found = load_yaml(HERE / "crds.yaml")[told] if isinstance(told, str) else told
        made: Obj = filled(found, self.words)
        return made

    async def _plain(self, server: Server, method: str, target: str, body: Obj | None = None) -> None:
        raw = json.dumps(body).encode() if body else b""
        async with exchange(server, method, target, {}, raw) as answer:
            if answer.status >= 300:
                raise AssertionError(f"{method} {target}: {answer.status} {(await answer.body())[:500]!r}")

    async def _served(self, definition: Obj) -> None:
        spec = definition["spec"]
        for version in spec["versions"]:
            if version["served"]:
                target = f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
                await self._step({"do": f"GET {target}", "poll": {"status": 200}, "quiet": True})

    async def _step(self, step: Obj) -> None:
        for number in range(1, step.get("repeat", 1) + 1):
            self.words["i"] = number
            if "watch" in step:
                await self._watch(step)
            elif "now" in step:
                await self._changed(step)
            else:
                await self._request(step)

    async def _changed(self, step: Obj) -> None:
        """Of what is now: asked anew where the server itself wrote in between, and the last answer is told."""
        told = len(self.said)
        for left in (2, 1, 0):
            del self.said[told:]
            await self._request({"do": f"GET {step['now']}", "as": "now", "quiet": True})
            try:
                await self._request(step)
            except AssertionError:
                if not left:
                    raise
                continue
            if self.said[told:] and self.said[-1].get("status") == 409:
                continue
            return

    @asynccontextmanager
    async def _sent(self, line: str, step: Obj) -> AsyncIterator[Answer]:
        method, target = filled(line, self.words).split(" ", 1)
        headers = filled(step.get("headers", {}), self.words)
        async with (
            asyncio.timeout(_STEP_S),
            exchange(self.server, method, target, headers, self._body(step)) as answer,
        ):
            yield answer

    def _body(self, step: Obj) -> bytes:
        if "base64" in step:
            return base64.b64decode(step["base64"])
        if "made" in step:
            return json.dumps(made(step["body"], self.words)).encode()
        body = filled(step.get("body", ""), self.words)
        if isinstance(body, str):
            return body.encode()
        if isinstance(body, dict) and "$" in body:
            kind = body.pop("$")
            body = {"apiVersion": f"{self.words['G']}/v1", "kind": kind, **body}
        return json.dumps(body).encode()

    async def _request(self, step: Obj) -> None:
        wanted = dict(step.get("poll", {}))
        until = asyncio.get_running_loop().time() + _POLL_S
        while True:
            try:
                async with self._sent(step["do"], step) as answer:
                    raw = await answer.body()
            except ConnectionError:
                self.said.append({"step": step["do"] + _note(step), "hung up": True})
                return
            said = self._told(step, step["do"], answer)
            body = _decoded(answer, raw)
            if not wanted or _satisfied(answer.status, body, wanted):
                break
            if asyncio.get_running_loop().time() > until:
                said["waited"] = "in vain"
                break
            await asyncio.sleep(0.03)
        if "as" in step:
            self.words[step["as"]] = body
        if step.get("quiet"):
            if answer.status >= 300 and step.get("quiet") != "any":
                raise AssertionError(f"{self.told['name']}: {step['do']}: {answer.status} {raw[:600]!r}")
            return
        if step.get("only") != "status" and body is not None:
            said["body"] = _picked(body, step)
        self.said.append(said)

    async def _watch(self, step: Obj) -> None:
        events: list[Any] = []
        async with self._sent(step["watch"], step) as answer:
            said = self._told(step, step["watch"], answer)
            self.said.append(said)
            if answer.status != 200:
                said["body"] = _decoded(answer, await answer.body())
                return
            for nested in step.get("while", ()):
                await self._step(nested)
            said["events"] = events
            try:
                async with asyncio.timeout(step.get("for", 6)):
                    async for line in answer.lines():
                        events.append(_json_or_text(line))
                        if _enough(events, step["until"]):
                            break
                    else:
                        said["ended"] = True
            except TimeoutError:
                said["waited"] = "in vain"
        if "as" in step:
            self.words[step["as"]] = events
        said["events"] = [_picked(each, step) for each in events]

    def _told(self, step: Obj, line: str, answer: Answer) -> Said:
        shown = sorted((name, value) for name, value in answer.headers if name in HEADERS)
        said = {
            "step": line + _note(step),
            "status": answer.status,
            "headers": [list(each) for each in shown],
        }
        match step.get("body"):
            case {"metadata": {"generateName": str(prefix)}}:
                said["prefix"] = filled(prefix, self.words)
        return said


def _note(step: Obj) -> str:
    return f" # {step['note']}" if "note" in step else ""


def _json_or_text(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _decoded(answer: Answer, raw: bytes) -> Any:
    headers = dict(answer.headers)
    if headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    if not raw:
        return None
    if "yaml" in headers.get("content-type", ""):
        return yaml.safe_load(raw)
    return _json_or_text(raw)


def _enough(events: list[Any], until: Any) -> bool:
    if isinstance(until, int):
        return len(events) >= until
    if until == "end":
        return False
    return all(at(events[-1], path) == [value] for path, value in until.items())


def _satisfied(status: int, body: Any, wanted: Obj) -> bool:
    return status == wanted.get("status", 200) and all(
        at(body, path) == [value] for path, value in wanted.items() if path != "status"
    )


def _picked(body: Any, step: Obj) -> Any:
    if "pick" in step:
        return {path if isinstance(path, str) else ".".join(path): at(body, path) for path in step["pick"]}
    return body
