"""`make upstream`: the catalogue at upstream's real server and at ours, and where the answers differ.

Started for it, and ended after: an etcd, upstream's API server (tools/upstream/build.sh made it) with a kctl API server in
this process for what it delegates (namespaces, token and access reviews), and a second kctl API server: ours.

    python tests/upstream/upstream_live.py [--only 'watch-*'] [--record] [--show]

--record writes upstream's answers to fixtures/ (of the scenarios asked), --show prints those of the scenarios asked.
Ends with 1 where a difference is not accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from https_world import Authority
from upstream_compare import accepted, differences
from upstream_normal import Said, normal
from upstream_ours import serving
from upstream_scenario import HERE, Scenario, catalogue
from upstream_wire import Server, exchange

CACHE = Path(
    os.environ.get("KCTL_UPSTREAM")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kctl" / "upstream"
)
_START_S = 30.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _end_of(log: Path) -> str:
    return log.read_text()[-4000:]


def _binary(name: str) -> Path:
    found = CACHE / name
    if not found.exists():
        raise SystemExit(f"{found} is not there: tools/setup.sh upstream-packages builds it")
    return found


@asynccontextmanager
async def process(*command: str | Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as out:
        started = await asyncio.create_subprocess_exec(*map(str, command), stdout=out, stderr=out)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()


async def answers(server: Server, target: str, running: asyncio.subprocess.Process, log: Path) -> None:
    """Waits until it answers 200."""
    said = ""
    until = asyncio.get_running_loop().time() + _START_S
    while running.returncode is None and asyncio.get_running_loop().time() < until:
        with contextlib.suppress(OSError):
            async with exchange(server, "GET", target, {}) as answer:
                if answer.status == 200:
                    return
                said = (await answer.body()).decode()
        await asyncio.sleep(0.1)
    raise SystemExit(f"{target} never answered 200: {said}\n{_end_of(log)}")


@asynccontextmanager
async def upstream(core: Server, scratch: Path) -> AsyncIterator[Server]:
    """Upstream's server on an etcd of its own."""
    etcd_port, peer_port, port = free_port(), free_port(), free_port()
    etcd_url, peer_url = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
    address = f"https://{core.host}:{core.port}"  # Go's client shows its token over TLS only
    kubeconfig = scratch / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "core",
                "contexts": [{"name": "core", "context": {"cluster": "core", "user": "admin"}}],
                "clusters": [
                    {"name": "core", "cluster": {"server": address, "insecure-skip-tls-verify": True}}
                ],
                "users": [{"name": "admin", "user": {"token": core.token}}],
            }
        )
    )
    etcd = (
        *(_binary("etcd"), "--data-dir", scratch / "etcd", "--log-level", "warn", "--unsafe-no-fsync"),
        *("--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url),
        *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
        *("--initial-cluster", f"default={peer_url}"),
    )
    delegating = [f"--{which}kubeconfig={kubeconfig}" for which in ("", "authentication-", "authorization-")]
    server = (
        *(
            _binary("apiextensions-apiserver"),
            "--bind-address",
            "127.0.0.1",
            "--secure-port",
            port,
            "--cert-dir",
            scratch / "certs",
        ),
        *("--etcd-servers", etcd_url, *delegating, "--authentication-tolerate-lookup-failure"),
    )
    here = Server(port, core.token, core.context)
    etcd_log, log = scratch / "etcd.log", scratch / "upstream.log"
    async with process(*etcd, log=etcd_log) as store:
        await answers(Server(etcd_port, ""), "/health", store, etcd_log)
        async with process(*server, log=log) as running:
            await answers(here, "/readyz", running, log)
            yield here


async def compared(options: argparse.Namespace, scratch: Path) -> int:
    wanted = {
        file: [told for told in scenarios if fnmatchcase(told["name"], options.only)]
        for file, scenarios in catalogue().items()
    }
    asked = sum(len(scenarios) for scenarios in wanted.values())
    requests = found = 0
    reasons = accepted()
    certificates = Authority(scratch).server_context()
    async with serving(certificates) as core, serving() as ours, upstream(core, scratch) as real:
        for file, scenarios in wanted.items():
            recorded: dict[str, list[Said]] = {}
            for told in scenarios:
                name = told["name"]
                try:
                    theirs = recorded[name] = normal(await Scenario(real, core, told).run())
                except (AssertionError, LookupError, OSError, TimeoutError) as error:
                    print(f"{name}: could not be asked upstream: {error!r}")
                    found += 1
                    continue
                requests += len(theirs)
                if options.show:
                    print(json.dumps(theirs, indent=1))
                try:
                    mine = normal(await Scenario(ours, ours, told).run())
                except (AssertionError, LookupError, OSError, TimeoutError) as error:
                    print(f"{name}: could not be asked here: {error!r}")
                    found += 1
                    continue
                for each in differences(name, theirs, mine):
                    if not any(reason.covers(each) for reason in reasons):
                        print(each)
                        found += 1
            if options.record and recorded:
                write(file, recorded)
    print(f"{asked} scenarios, {requests} answers compared, {found} differences that are not accepted")
    return 1 if found else 0


def write(file: str, recorded: dict[str, list[Said]]) -> None:
    """Keeps what other scenarios were answered, in the catalogue's order, and drops what is no longer asked."""
    path = HERE / "fixtures" / f"{file}.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    kept |= recorded
    ordered = {told["name"]: kept[told["name"]] for told in catalogue()[file] if told["name"] in kept}
    path.write_text(lines(ordered))


def lines(recorded: dict[str, list[Said]]) -> str:
    """JSON with one answer a line, so that a change of one answer is a change of one line."""
    scenarios = [
        f"{json.dumps(name)}: [\n"
        + ",\n".join(json.dumps(each, sort_keys=True, ensure_ascii=False) for each in said)
        + "\n]"
        for name, said in recorded.items()
    ]
    return "{\n" + ",\n".join(scenarios) + "\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="*", help="scenarios by name, a shell's pattern")
    parser.add_argument("--record", action="store_true", help="write upstream's answers to fixtures/")
    parser.add_argument("--show", action="store_true", help="print upstream's answers")
    with tempfile.TemporaryDirectory(prefix="kctl-upstream-") as scratch:
        return asyncio.run(compared(parser.parse_args(), Path(scratch)))


if __name__ == "__main__":
    sys.exit(main())
