"""How long a status may wait for the facts that are about to follow it: one write tells what arrives together.

While a start or a stop is under way, each of its steps changes the status. Steps that nobody waits for (an
address, ContainerCreating, an observed generation) are held for INTERIM_S. What a watcher waits for (a
container runs, has ended, is ready) is news and is held only for NEWS_S, in which the next container of
the pod mostly follows, or a killed one is back; in a stop the pod's end mostly follows within INTERIM_S.
When nothing is under way, nothing is held.
"""

from __future__ import annotations

from nodeagent.podspec import Obj

INTERIM_S = 1.0
NEWS_S = 0.05
STOP_S = 0.3
_INTERIM = ("", "ContainerCreating", "PodInitializing")
_POD = ("phase", "reason")


class Hold:
    """Of one pod. Sans-IO: asked with each status, answers until when to hold it."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}  # the gist of the status last let through
        self._since: float | None = None  # when that became old
        self._news_since: float | None = None

    def until(self, status: Obj, now: float, *, busy: bool, stopping: bool) -> float:
        """`now` where the status may go at once."""
        gist = _gist(status)
        if busy:
            if self._since is None:
                self._since = now
            if self._news_since is None and _is_news(self._told, gist):
                self._news_since = now
            due = self._since + INTERIM_S
            if self._news_since is not None:
                due = min(due, self._news_since + (STOP_S if stopping else NEWS_S))
            if due > now:
                return due
        self._told = gist
        self._since = self._news_since = None
        return now


def _gist(status: Obj) -> dict[str, str]:
    """What a watcher waits for: which containers run, have ended, or are ready."""
    found = {"phase": status["phase"], "reason": status.get("reason", "")}
    for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(field) or ():
            state = next(iter(entry["state"]), "waiting")
            why = (entry["state"].get("waiting") or {}).get("reason", "")
            if why not in _INTERIM:
                state = f"{state} {why}"
            found[entry["name"]] = f"{state} {entry['ready']} {entry['restartCount']}"
    return found


def _is_news(old: dict[str, str], gist: dict[str, str]) -> bool:
    return any(
        text != old.get(name) and not text.startswith("waiting False")
        for name, text in gist.items()
        if name not in _POD
    )
