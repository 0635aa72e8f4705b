"""/healthz, /livez and /readyz: named checks, one by one or all together, as upstream prints them.

GET /readyz            ok, or 500 with the list of checks
GET /readyz?verbose    [+]ping ok ... readyz check passed
GET /readyz/ping       one check
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from apiserver.engine.query import Query
from apiserver.http.reply import Reply, text_reply

# None: fine. Else what is wrong.
Check = Callable[[], Awaitable[str | None]]
PATHS = ("/healthz", "/livez", "/readyz")


class Health:
    """`live` checks answer all three paths; `ready` ones only /readyz and /healthz."""

    def __init__(self, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._live = live
        self._ready = {**live, **ready}

    def paths(self) -> list[str]:
        named = {"/healthz": self._ready, "/livez": self._live, "/readyz": self._ready}
        return [*named, *(f"{root}/{name}" for root, checks in named.items() for name in checks)]

    async def slis(self) -> str:
        """Each check's outcome as a metric, which /metrics/slis shows alone so that it can be asked often."""
        lines = [
            "# HELP kubernetes_healthcheck Whether a check passes: 1 or 0.",
            "# TYPE kubernetes_healthcheck gauge",
        ]
        for kind, checks in (("healthz", self._ready), ("livez", self._live), ("readyz", self._ready)):
            for name, check in checks.items():
                passed = 0 if await _run(check) else 1
                lines.append(f'kubernetes_healthcheck{{name="{name}",type="{kind}"}} {passed}')
        return "\n".join(lines) + "\n"

    async def reply(self, path: str, query: Query) -> Reply | None:
        """None where the path is no health path."""
        _, _, tail = path.partition("/")
        root, _, one = tail.partition("/")
        if "/" + root not in PATHS:
            return None
        checks = self._live if root == "livez" else self._ready
        if one:
            check = checks.get(one)
            if check is None:
                return text_reply("404 page not found\n", 404)
            wrong = await _run(check)
            return text_reply(f"internal server error: {wrong}\n", 500) if wrong else text_reply("ok")
        excluded = set(query.values_of("exclude"))
        lines, failed = [], []
        for name, check in checks.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
                continue
            wrong = await _run(check)
            if wrong:
                failed.append(name)
                lines.append(f"[-]{name} failed: {wrong}")
            else:
                lines.append(f"[+]{name} ok")
        if failed:
            return text_reply("\n".join([*lines, f"{root} check failed"]) + "\n", 500)
        if "verbose" in query:
            return text_reply("\n".join([*lines, f"{root} check passed"]) + "\n")
        return text_reply("ok")


async def _run(check: Check) -> str | None:
    try:
        return await check()
    except Exception as error:
        return str(error) or type(error).__name__


async def ping() -> str | None:
    return None
