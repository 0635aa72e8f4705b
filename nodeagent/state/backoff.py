"""How long a container that keeps ending must wait before it is started again.

Kept per container: (delay, since). The first restart is immediate; the next waits 10 s from the moment the
container ended, then 20, 40, ... 300. Whoever has waited more than ten minutes since the last restart starts
afresh. Pure: `now` is an argument. Source: kubelet's container back-off (flowcontrol.Backoff).
"""

from __future__ import annotations

from dataclasses import dataclass

INITIAL_S = 10.0
MAX_S = 300.0
RESET_AFTER_S = 2 * MAX_S


@dataclass(frozen=True, slots=True)
class Backoff:
    """`delay_s` counts from the end of the last run; `since` is when it was last set."""

    delay_s: float
    since: float


def restart_at(entry: Backoff | None, finished_at: float, now: float) -> float:
    """When the container may start again; a time not after `now` means at once."""
    if entry is None or _expired(entry, finished_at):
        return min(now, finished_at)
    return finished_at + entry.delay_s


def after_restart(entry: Backoff | None, finished_at: float, now: float) -> Backoff:
    """The entry to keep once a restart is made."""
    if entry is None or _expired(entry, finished_at):
        return Backoff(INITIAL_S, now)
    return Backoff(min(entry.delay_s * 2, MAX_S), now)


def recovered(attempt: int, started_at: float, finished_at: float) -> Backoff | None:
    """The entry of a container met after the agent's own restart, told from its attempt: a restart of the
    agent must not forgive a crash loop. None for one that ran long enough or never was restarted."""
    if attempt <= 0 or finished_at - started_at > RESET_AFTER_S:
        return None
    return Backoff(min(INITIAL_S * 2.0 ** min(attempt - 1, 10), MAX_S), finished_at)


def _expired(entry: Backoff, finished_at: float) -> bool:
    return finished_at - entry.since > RESET_AFTER_S


def spell(delay_s: float) -> str:
    """Go's duration form of whole seconds: 10s, 1m20s, 5m0s."""
    total = round(delay_s)
    minutes, seconds = divmod(total, 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
