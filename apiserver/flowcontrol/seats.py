"""How much work a request is, in seats: one for most, more for large lists and for writes that many watch.

Seats beyond the first are those of upstream's estimators: a list takes one for every hundred objects it goes
through; a write holds one for every ten watchers for some milliseconds after its answer, while they are told.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from apiserver.engine.catalog import Catalog
from apiserver.engine.query import Query
from apiserver.http.request_info import RequestInfo
from machinery import integers

MAX_SEATS = 10
_SHARE_OF_LEVEL = 0.15
_OBJECTS_PER_SEAT = 100
_WATCHES_PER_SEAT = 10
_EVENT_S = 0.005


class Width(NamedTuple):
    """`final_seats` stay taken for `final_s` after the answer."""

    seats: int = 1
    final_seats: int = 0
    final_s: float = 0.0


ONE = Width()


class Sizes(Protocol):
    def objects(self, info: RequestInfo) -> int:
        """How many objects of the request's resource are stored."""
        ...

    def watchers(self, info: RequestInfo) -> int:
        """How many watches a change of the request's object is told to."""
        ...


class CatalogSizes:
    """Sizes as the stores of what is served know them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def objects(self, info: RequestInfo) -> int:
        served = self._catalog.get(info.group, info.version, info.resource)
        return served.store.objects() if served is not None else 0

    def watchers(self, info: RequestInfo) -> int:
        served = self._catalog.get(info.group, info.version, info.resource)
        return served.store.watching(info.namespace) if served is not None else 0


def most_seats(nominal: int) -> int:
    """No request may take more of its level than this."""
    return max(1, min(MAX_SEATS, math.ceil(nominal * _SHARE_OF_LEVEL)))


def estimate(info: RequestInfo, query: Query, sizes: Sizes, most: int) -> Width:
    verb = info.verb
    if not info.is_resource or verb == "get":
        return ONE
    if verb == "list" or verb == "watch":
        return _list(info, query, sizes, most)
    if info.subresource == "token" and info.resource == "serviceaccounts":
        return ONE
    watchers = sizes.watchers(info)
    if watchers < _WATCHES_PER_SEAT:
        return ONE
    wanted = math.ceil(watchers / _WATCHES_PER_SEAT)
    final = min(wanted, most)
    return Width(1, final, wanted * _EVENT_S / final)


def _list(info: RequestInfo, query: Query, sizes: Sizes, most: int) -> Width:
    if info.verb == "watch" and not query.flag("sendInitialEvents"):
        return ONE
    if info.selected:
        return ONE
    count = sizes.objects(info)
    limit = integers.parse(query.get("limit", "")) if query else None
    # A limited list without selectors stops after its page; with selectors it may go through everything.
    if limit is not None and 0 < limit < count and not ("labelSelector" in query or "fieldSelector" in query):
        count = limit
    seats = min(most, math.ceil(count / _OBJECTS_PER_SEAT))
    return ONE if seats <= 1 else Width(seats)
