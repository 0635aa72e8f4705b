"""How long ago, in kubectl's words: 45s, 3m20s, 5h, 2d3h, 300d, 2y30d."""

from __future__ import annotations

import time


def age(timestamp: str | None, now: float | None = None) -> str:
    """From an RFC 3339 time; <unknown> where there is none."""
    if not timestamp:
        return "<unknown>"
    from machinery.clock import parse_rfc3339
    from machinery.durations import human_duration

    return human_duration((time.time() if now is None else now) - parse_rfc3339(timestamp))
