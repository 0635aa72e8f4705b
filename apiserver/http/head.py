"""What a request's head says about how to read on, and whether it is a proper one. Pure.

Source: RFC 9112; where it leaves a choice, the stricter side, since two readers that disagree are how requests are
smuggled.
"""

from __future__ import annotations

from collections.abc import Sequence

import httptools

from apiserver.http.reply import Header


def judge_head(version: str, headers: Sequence[Header]) -> tuple[int, bool]:
    """(the status it is refused with, 0 for a proper one; whether the client waits for 100 Continue)."""
    if version not in ("1.1", "1.0"):
        return 505, False
    hosts = 0
    continues = False
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            # What the parser takes for the end of the body must be what everybody before it took.
            if value.strip().lower() != b"chunked" or version == "1.0":
                return 400, False
        elif name == b"expect":
            if value.strip().lower() != b"100-continue":
                return 417, False
            continues = True
    return (0 if hosts == 1 or (version == "1.0" and not hosts) else 400), continues


def split_target(target: bytes) -> tuple[bytes, bytes] | None:
    """(path, query) of a request's target, which may be a whole URL; None where it is no target at all."""
    if target[:1] == b"/" and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserError:
        return None
    path = url.path or b"/"
    return (path, url.query or b"") if path[:1] == b"/" else None


def asks_for_websocket(method: bytes, headers: Sequence[Header]) -> bool:
    return method == b"GET" and any(
        name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in headers
    )


def has_body(headers: Sequence[Header]) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in headers
    )
