"""Many clients at work on one store, recorded as a `History`: writers that compare and swap, readers, and watchers that
read slowly, leave, resume where they were, and list again when they are told to.

The store is a `Subject`: a backend, or an API server behind a client. What kills and stalls it is the test's affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import orjson
from histories import ABSENT, ANY, UNSEEN, History, Told, Watched

from apiserver.backends.backend import KV, Backend, Compacted, FutureRevision, StoreUnavailable
from apiserver.storage.store import Entry, StaleRevision, Store
from client.client import Client
from client.transport import TransportError
from machinery.errors import AlreadyExists, ApiError, Conflict, Expired, NotFound
from machinery.gvk import CONFIGMAPS

Found = tuple[str, int]  # value, revision


class Lost(Exception):
    """No answer, or none that tells whether it was done."""


class Gone(Exception):
    """The revision is not kept any more: list again."""


@dataclass(frozen=True, slots=True)
class Answer:
    ok: bool
    revision: int
    current: Found | str | None = UNSEEN


class Subject(Protocol):
    """Raises Lost; watch and list also Gone. `expect`: a revision, 0 for absent, None for any."""

    async def put(self, key: str, value: str, expect: int | None) -> Answer: ...

    async def delete(self, key: str, expect: int | None) -> Answer: ...

    async def get(self, key: str) -> Found | None: ...

    async def list(self, revision: int = 0) -> tuple[int, Mapping[str, Found]]: ...

    def watch(self, after: int) -> AbstractAsyncContextManager[AsyncIterator[tuple[Sequence[Told], int]]]:
        """Batches, each with the revision up to which all has been told (0: no more than the events say)."""
        ...


class BackendSubject:
    """A backend itself; `backend()` is the one there is now."""

    def __init__(self, backend: Callable[[], Backend], prefix: str = "/t/") -> None:
        self._backend, self._prefix = backend, prefix

    async def put(self, key: str, value: str, expect: int | None) -> Answer:
        with _translated():
            result = await self._backend().put(self._prefix + key, value.encode(), expect=expect)
        return Answer(result.ok, result.revision, _found(result.current))

    async def delete(self, key: str, expect: int | None) -> Answer:
        with _translated():
            result = await self._backend().delete(self._prefix + key, expect=expect)
        return Answer(result.ok, result.revision, _found(result.current))

    async def get(self, key: str) -> Found | None:
        with _translated():
            return _found(await self._backend().get(self._prefix + key))

    async def list(self, revision: int = 0) -> tuple[int, Mapping[str, Found]]:
        with _translated():
            result = await self._backend().range(self._prefix, revision=revision)
        at = len(self._prefix)
        return result.revision, {kv.key[at:]: (kv.value.decode(), kv.mod_revision) for kv in result.kvs}

    @asynccontextmanager
    async def watch(self, after: int) -> AsyncIterator[AsyncIterator[tuple[Sequence[Told], int]]]:
        at = len(self._prefix)

        async def batches() -> AsyncIterator[tuple[Sequence[Told], int]]:
            with _translated():
                async for batch in stream:
                    told = [
                        Told(c.kv.mod_revision, c.kv.key[at:], None if c.deleted else c.kv.value.decode())
                        for c in batch
                    ]
                    yield told, stream.progress

        with _translated():
            async with self._backend().watch(self._prefix, after) as stream:
                yield batches()


class CacherSubject:
    """What the API server's engine reads and writes: a resource's objects in memory, over a backend."""

    def __init__(self, store: Callable[[], Store], namespace: str = "n") -> None:
        self._store, self._namespace = store, namespace

    async def put(self, key: str, value: str, expect: int | None) -> Answer:
        obj = {"metadata": {"name": key, "namespace": self._namespace}, "value": value}
        store = self._store()
        try:
            with _translated():
                if expect:
                    entry = await store.update(self._namespace, key, obj, expect)
                else:
                    entry = await store.create(self._namespace, key, obj)
        except StaleRevision as stale:
            return Answer(False, 0, _entry(stale.current))
        return Answer(True, entry.revision)

    async def delete(self, key: str, expect: int | None) -> Answer:
        assert expect is not None
        try:
            with _translated():
                entry = await self._store().delete(self._namespace, key, expect)
        except StaleRevision as stale:
            return Answer(False, 0, _entry(stale.current))
        return Answer(True, entry.revision, _entry(entry))

    async def get(self, key: str) -> Found | None:
        with _translated():
            return _entry(await self._store().get(self._namespace, key))

    async def list(self, revision: int = 0) -> tuple[int, Mapping[str, Found]]:
        with _translated():
            result = await self._store().list(self._namespace, revision=revision)
        return result.revision, {entry.name: _value(entry) for entry in result.entries}

    @asynccontextmanager
    async def watch(self, after: int) -> AsyncIterator[AsyncIterator[tuple[Sequence[Told], int]]]:
        async def batches() -> AsyncIterator[tuple[Sequence[Told], int]]:
            with _translated():
                async for batch in stream:
                    told, upto = [], 0
                    for event in batch:
                        if event.entry is None:
                            upto = event.revision
                        else:
                            gone = event.type == "DELETED"
                            value = None if gone else _value(event.entry)[0]
                            told.append(Told(event.revision, event.entry.name, value))
                    yield told, upto

        with _translated():
            async with self._store().watch(self._namespace, from_revision=after, bookmarks=True) as stream:
                yield batches()


def _value(entry: Entry) -> Found:
    return orjson.loads(entry.data)["value"], entry.revision


def _entry(entry: Entry | None) -> Found | None:
    return _value(entry) if entry else None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Compacted as error:
        raise Gone(str(error)) from error
    except (StoreUnavailable, FutureRevision) as error:
        raise Lost(str(error)) from error


def _found(kv: KV | None) -> Found | None:
    return (kv.value.decode(), kv.mod_revision) if kv else None


class ApiSubject:
    """ConfigMaps of one namespace, through whatever API server answers the client."""

    def __init__(self, client: Client, namespace: str = "default") -> None:
        self._client, self._namespace = client, namespace

    async def put(self, key: str, value: str, expect: int | None) -> Answer:
        meta: dict[str, object] = {"name": key, "namespace": self._namespace}
        body = {"metadata": meta, "data": {"value": value}}
        try:
            if expect == 0:
                made = await self._client.create(CONFIGMAPS, body)
            else:
                meta["resourceVersion"] = str(expect)
                made = await self._client.update(CONFIGMAPS, body)
        except (AlreadyExists, Conflict, NotFound):
            return Answer(False, 0)
        except (TransportError, ApiError) as error:
            raise Lost(str(error)) from error
        return Answer(True, int(made["metadata"]["resourceVersion"]))

    async def delete(self, key: str, expect: int | None) -> Answer:
        version = str(expect) if expect else None
        try:
            await self._client.delete(CONFIGMAPS, key, self._namespace, resource_version=version)
        except (Conflict, NotFound):
            return Answer(False, 0)
        except (TransportError, ApiError) as error:
            raise Lost(str(error)) from error
        return Answer(True, 0)  # the answer does not tell the revision

    async def get(self, key: str) -> Found | None:
        try:
            return _item(await self._client.get(CONFIGMAPS, key, self._namespace))[1]
        except NotFound:
            return None
        except (TransportError, ApiError) as error:
            raise Lost(str(error)) from error

    async def list(self, revision: int = 0) -> tuple[int, Mapping[str, Found]]:
        query = [("resourceVersion", str(revision)), ("resourceVersionMatch", "Exact")] if revision else []
        try:
            answer = await self._client.get_raw(CONFIGMAPS.path(self._namespace), query=query)
        except Expired as error:
            raise Gone(str(error)) from error
        except (TransportError, ApiError) as error:
            raise Lost(str(error)) from error
        found = dict(_item(item) for item in answer["items"])
        found.pop("kube-root-ca.crt", None)
        return int(answer["metadata"]["resourceVersion"]), found

    @asynccontextmanager
    async def watch(self, after: int) -> AsyncIterator[AsyncIterator[tuple[Sequence[Told], int]]]:
        async def batches() -> AsyncIterator[tuple[Sequence[Told], int]]:
            try:
                async for event in events:
                    revision = int(event.object["metadata"]["resourceVersion"])
                    if event.type == "BOOKMARK":
                        yield (), revision
                    elif event.object["metadata"]["name"] != "kube-root-ca.crt":
                        key, (value, _) = _item(event.object)
                        yield (Told(revision, key, None if event.type == "DELETED" else value),), 0
            except Expired as error:
                raise Gone(str(error)) from error
            except (TransportError, ApiError) as error:
                raise Lost(str(error)) from error

        try:
            async with self._client.watch(CONFIGMAPS, self._namespace, resource_version=str(after)) as events:
                yield batches()
        except Expired as error:
            raise Gone(str(error)) from error
        except (TransportError, ApiError) as error:
            raise Lost(str(error)) from error


class ChangingSubject:
    """Each operation, and each watch that is resumed, goes through another of several ways to one store."""

    def __init__(self, ways: Sequence[Subject], rng: random.Random) -> None:
        self._ways, self._rng = ways, rng

    def _way(self) -> Subject:
        return self._rng.choice(self._ways)

    async def put(self, key: str, value: str, expect: int | None) -> Answer:
        return await self._way().put(key, value, expect)

    async def delete(self, key: str, expect: int | None) -> Answer:
        return await self._way().delete(key, expect)

    async def get(self, key: str) -> Found | None:
        return await self._way().get(key)

    async def list(self, revision: int = 0) -> tuple[int, Mapping[str, Found]]:
        return await self._way().list(revision)

    def watch(self, after: int) -> AbstractAsyncContextManager[AsyncIterator[tuple[Sequence[Told], int]]]:
        return self._way().watch(after)


def _item(obj: Mapping[str, object]) -> tuple[str, Found]:
    meta, data = obj["metadata"], obj.get("data") or {}
    return meta["name"], (data.get("value", ""), int(meta["resourceVersion"]))


@dataclass(slots=True)
class Workload:
    subject: Subject
    history: History
    rng: random.Random
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    keys: int = 6
    tempo_s: float = 0.002
    any_deletes: bool = True  # whether the subject deletes whatever stands there
    running: bool = True
    logged: int = 0  # the log is whole up to here

    async def write(self, client: int) -> None:
        """Until `running` ends: any verb, on any key, expecting what it last saw there or something else."""
        rng, history = random.Random(self.rng.random()), self.history
        known: dict[str, Found | None] = {}
        turn = 0
        while self.running:
            turn += 1
            key = f"k{rng.randrange(self.keys)}"
            there = known.get(key)
            verb = rng.choices(("put", "delete", "get", "list"), (6, 2, 2, 1))[0]
            with contextlib.suppress(Lost, Gone):
                if verb == "put":
                    await self._put(client, key, f"{client}.{turn}", there, known)
                elif verb == "delete" and there is not None:
                    await self._delete(client, key, there, known)
                elif verb == "get":
                    op = history.begin(client, "get", key)
                    known[key] = found = await self.subject.get(key)
                    op.seen = found[0] if found else None
                    history.end(op)
                elif verb == "list":
                    await self.list(client, back=rng.choice((0, 0, rng.randrange(1, 30))), known=known)
            await self.pause(self.tempo_s * rng.random())

    async def write_once(self, client: int, key: str, value: str) -> None:
        """A key that nobody else writes. Raises Lost: then it may be there all the same."""
        await self._put(client, key, value, None, {})

    async def _put(
        self, client: int, key: str, value: str, there: Found | None, known: dict[str, Found | None]
    ) -> None:
        op = self.history.begin(client, "put", key, value=value, expect=there[0] if there else ABSENT)
        answer = await self.subject.put(key, value, there[1] if there else 0)
        self._answered(op, answer)
        known[key] = (value, answer.revision) if answer.ok else None
        if not answer.ok and not isinstance(answer.current, str):
            known[key] = answer.current

    async def _delete(self, client: int, key: str, there: Found, known: dict[str, Found | None]) -> None:
        free = self.any_deletes and self.rng.random() < 0.3
        op = self.history.begin(client, "delete", key, expect=ANY if free else there[0])
        answer = await self.subject.delete(key, None if free else there[1])
        self._answered(op, answer)
        known[key] = None

    def _answered(self, op: object, answer: Answer) -> None:
        op.revision = answer.revision if answer.ok else 0
        if not isinstance(answer.current, str) and not (answer.ok and op.verb == "put"):
            op.seen = answer.current[0] if answer.current else None
        self.history.end(op, "ok" if answer.ok else "refused")

    async def list(self, client: int, *, back: int = 0, known: dict[str, Found | None] | None = None) -> int:
        """`back`: as of so many revisions before the log's newest, where that is kept. Raises Lost, Gone."""
        past = max(0, self.logged - back) if back and self.logged - back > self.history.first else 0
        op = self.history.begin(client, "list", "", exact=bool(past))
        try:
            op.revision, op.listed = await self.subject.list(past)
        except (Lost, Gone):
            self.history.ops.remove(op)
            raise
        self.history.end(op)
        if known is not None and not past:
            known.update(op.listed)
        return op.revision

    async def watch(self, client: int, *, slow_s: float = 0.0) -> None:
        """Lists, watches, leaves now and then and resumes; lists again where the past is gone."""
        rng = random.Random(self.rng.random())
        after: int | None = None
        while self.running:
            try:
                if after is None:
                    after = await self.list(client)
                watched = Watched(after, upto=after)
                self.history.watches.append(watched)
                async with self.subject.watch(after) as batches:
                    async for events, upto in batches:
                        watched.events += events
                        watched.upto = max(watched.upto, upto, *(told.revision for told in events), 0)
                        after = watched.upto
                        if slow_s:
                            await self.pause(slow_s * rng.random())
                        if rng.random() < 0.05 or not self.running:
                            break
            except Gone:
                after = None
            except Lost:
                await self.pause(0.01)
            await self.pause(0.001)

    async def keep_log(self) -> None:
        """The one watch of everything, resumed until cancelled; nothing before it may be compacted."""
        while True:
            with contextlib.suppress(Lost):
                async with self.subject.watch(self.logged) as batches:
                    async for events, upto in batches:
                        self.history.log += events
                        self.logged = max(self.logged, upto, *(told.revision for told in events), 0)
            await self.pause(0.005)

    def settle(self) -> None:
        """Once all is over: a delete whose answer told no revision is the one of the value that it expected."""
        ended: dict[str, int] = {}  # value → the revision that deleted it
        standing: dict[str, str] = {}
        for told in self.history.log:
            if told.value is None and told.key in standing:
                ended[standing.pop(told.key)] = told.revision
            elif told.value is not None:
                standing[told.key] = told.value
        for op in self.history.ops:
            if op.verb == "delete" and op.verdict == "ok" and not op.revision:
                op.revision = ended.get(op.expect, 0)
