"""How long ago, in kubectl's words: 45s, 3m20s, 5h, 2d3h, 300d, 2y30d."""

from __future__ import annotations

import time


def age(timestamp: str | None, now: float | None = None) -> str:
    """From an RFC 3339 time; <unknown> where there is none."""
    if not timestamp:
        return "<unknown>"
    from machinery.clock import parse_rfc3339

    return duration_text((time.time() if now is None else now) - parse_rfc3339(timestamp))


def duration_text(seconds: float) -> str:
    """Two units at most, the second only while it says something."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years, rest = divmod(days, 365)
    return f"{years}y{rest}d" if years < 8 and rest else f"{years}y"
