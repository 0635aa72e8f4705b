"""ResourceQuota: what a namespace may have is charged before it is stored, and refused where it would be too much.

    request ─► waits its turn in the namespace ─► the first in line takes all that wait:
        quotas read anew ─► each request judged and charged in order ─► one compare-and-swap per changed quota
                                                                     └ lost: all are judged again

Charging is optimistic: a write that fails afterwards stays charged until the controller recounts. Usage that falls
is given back by the controller too. A quota counts from the moment that the controller has filled in its status.

Source: Kubernetes "Resource Quotas"; apiserver pkg/admission/plugin/resourcequota.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from api.quota.amounts import NONE, Amounts, add, masked, minus, pretty, read, written
from api.quota.scopes import is_in_scope
from api.quota.usage import changes_with_updates, lacking, names_about, usage_of
from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Plugin, forbidden
from apiserver.storage.store import Entry, StaleRevision, Store
from machinery.clock import Clock
from machinery.errors import ApiError, Conflict

_TRIES = 16


@dataclass(slots=True, eq=False)
class _Waiting:
    request: AdmissionRequest
    verdict: asyncio.Future[None]


@dataclass(slots=True)
class _Line:
    """Those who wait in one namespace. `users` counts who still needs the line."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Waiting] = field(default_factory=list)
    users: int = 0


class ResourceQuota(Plugin):
    name = "ResourceQuota"

    def __init__(self, quotas: Store, clock: Clock) -> None:
        self._quotas = quotas
        self._clock = clock
        self._lines: dict[str, _Line] = {}

    def handles(self, request: AdmissionRequest) -> bool:
        gvr = request.resource.gvr
        if request.operation == "CREATE":
            return gvr.namespaced and not request.subresource and "list" in request.resource.verbs
        return request.operation == "UPDATE" and changes_with_updates(
            gvr.group, gvr.resource, request.subresource
        )

    async def validate(self, request: AdmissionRequest) -> None:
        namespace = request.namespace
        if (
            not (await self._quotas.list_json())[0]
            or not (await self._quotas.list(namespace, limit=1)).entries
        ):
            return
        line = self._lines.setdefault(namespace, _Line())
        mine = _Waiting(request, asyncio.get_running_loop().create_future())
        line.waiting.append(mine)
        line.users += 1
        try:
            async with line.turn:
                if not mine.verdict.done():
                    await self._serve(namespace, line)
            await mine.verdict
        finally:
            mine.verdict.cancel()
            line.users -= 1
            if mine in line.waiting:
                line.waiting.remove(mine)
            if not line.users:
                self._lines.pop(namespace, None)

    async def _serve(self, namespace: str, line: _Line) -> None:
        """Settles all that wait; whoever is not settled (a cancelled leader) stays in line for the next.

        Once a quota is charged and another one's swap is lost, only those that were let through are judged again,
        by the quotas that are not charged yet.
        """
        batch = list(line.waiting)
        refused: list[tuple[_Waiting, ApiError]] = []
        charged: set[str] = set()
        for _ in range(_TRIES):
            entries = [
                each for each in (await self._quotas.list(namespace)).entries if each.name not in charged
            ]
            books = [_Book(entry) for entry in entries]
            now = self._clock.now()
            verdicts = [(one, _judge(one.request, books, now)) for one in batch]
            try:
                for book in books:
                    if book.is_charged:
                        obj = book.charged()
                        await self._quotas.update(namespace, book.entry.name, obj, book.entry.revision)
                        charged.add(book.entry.name)
            except StaleRevision:
                if charged:
                    refused += [(one, verdict) for one, verdict in verdicts if verdict is not None]
                    batch = [one for one, verdict in verdicts if verdict is None]
                continue
            for one, verdict in [*refused, *verdicts]:
                _settle(line, one, verdict)
            return
        raise Conflict(f"the quotas of namespace {namespace} are being changed by others, please try again")


def _settle(line: _Line, one: _Waiting, verdict: ApiError | None) -> None:
    if one not in line.waiting:
        return  # cancelled meanwhile
    line.waiting.remove(one)
    if one.verdict.done():
        return
    if verdict is None:
        one.verdict.set_result(None)
    else:
        one.verdict.set_exception(verdict)


class _Book:
    """A quota as a batch charges it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.quota: Obj = orjson.loads(entry.data)
        status = self.quota.get("status") or {}
        self.hard = read(status.get("hard"))
        self.used = read(status.get("used"))
        self.is_charged = False

    def charged(self) -> Obj:
        self.quota.setdefault("status", {})["used"] = written(self.used)
        self.quota["metadata"].pop("resourceVersion", None)
        return self.quota


def _judge(request: AdmissionRequest, books: Sequence[_Book], now: float) -> ApiError | None:
    """Charges the books, or says why not and charges none."""
    gvr, obj = request.resource.gvr, request.obj or {}
    kind = (gvr.group, gvr.resource)
    interested: list[_Book] = []
    for book in books:
        names = names_about(kind, book.hard)
        if not names or not is_in_scope(book.quota, gvr.resource if not gvr.group else "", obj):
            continue
        name = book.entry.name
        if why := lacking(*kind, obj, names):
            return forbidden(request, f"failed quota: {name}: {why}")
        if unknown := sorted(each for each in names if each not in book.used):
            return forbidden(request, f"status unknown for quota: {name}, resources: {','.join(unknown)}")
        interested.append(book)
    if not interested:
        return None
    usage = usage_of(*kind, obj, now)
    if negative := sorted(name for name, amount in usage.items() if amount < NONE):
        return forbidden(request, f"quota usage is negative for resource(s): {','.join(negative)}")
    if request.operation == "UPDATE" and request.old is not None:
        usage = minus(usage, usage_of(*kind, request.old, now))
    grown = {name: amount for name, amount in usage.items() if amount > NONE}
    for book in interested:
        asked = masked(grown, book.hard)
        if over := [name for name in asked if book.used[name] + asked[name] > book.hard[name]]:
            return forbidden(request, _exceeded(book, asked, over))
    if not request.dry_run:
        for book in interested:
            asked = masked(grown, book.hard)
            add(book.used, asked)
            book.is_charged = book.is_charged or bool(asked)
    return None


def _exceeded(book: _Book, asked: Amounts, over: Sequence[str]) -> str:
    return (
        f"exceeded quota: {book.entry.name}, requested: {pretty(masked(asked, over))}, "
        f"used: {pretty(masked(book.used, over))}, limited: {pretty(masked(book.hard, over))}"
    )
