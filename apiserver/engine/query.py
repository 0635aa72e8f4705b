"""The query string of a request, decoded once."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl


class Query(dict[str, str]):
    """The first value of each parameter; `many` keeps every value in order (exec's command=)."""

    __slots__ = ("many",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__()
        self.many = pairs
        for key, value in pairs:
            self.setdefault(key, value)

    def flag(self, key: str) -> bool:
        """Kubernetes' conversion of a query value to bool: absent, "false" and "0" are False."""
        value = self.get(key)
        return value is not None and value.lower() not in ("false", "0", "no", "off")

    def values_of(self, key: str) -> list[str]:
        return [value for name, value in self.many if name == key]


_EMPTY = Query([])
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_query(raw: bytes) -> Query:
    if not raw:
        return _EMPTY
    if b"%" in raw and _BAD_ESCAPE.search(raw):  # such a pair counts for nothing, as in Go
        raw = b"&".join(pair for pair in raw.split(b"&") if not _BAD_ESCAPE.search(pair))
    return Query(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))
