"""Where a cluster's keys lie in an etcd, and how etcd's revisions become the cluster's.

A store in etcd is everything under PREFIX/registry/, and one key beside it, `PREFIX#store`, which says what the store is:

    {"format": 1, "shift": S, "oldest": O, "state": "ready"}

The cluster's revision is etcd's plus the shift. A new store has none written down: it counts from the revision in which
its marker was made, so that two API servers that make it at the same moment agree. A store that was moved here from
elsewhere has a shift that makes its revisions go on behind the newest it had there, never back, and an `oldest`, since
its history did not come along. While one is being filled its state is "filling", and no API server starts on it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from apiserver.backends.backend import KV, StoreUnavailable
from apiserver.backends.etcd_client import RANGE, TXN, EtcdClient
from apiserver.backends.etcd_messages import (
    RawKV,
    delete_all_txn,
    prefix_end,
    put_txn,
    range_answer,
    range_request,
    replace_txn,
    revision_of,
)
from apiserver.backends.etcd_turns import turns_key

FORMAT = 1
ROOT = "/registry/"  # what an API server keeps lies below it
State = Literal["ready", "filling"]
_NEVER = 1 << 62  # a revision that no key ever has


class NotOurStore(StoreUnavailable):
    """What lies under the prefix is no store of ours, or one that cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Origin:
    prefix: bytes
    shift: int  # ours = etcd's + shift
    oldest: int  # ours: nothing before it can be read here

    def kv(self, raw: RawKV) -> KV:
        return KV(
            raw.key[len(self.prefix) :].decode(),
            raw.value,
            raw.create_revision + self.shift,
            raw.mod_revision + self.shift,
        )

    def key(self, key: str) -> bytes:
        return self.prefix + key.encode()

    def expected(self, revision: int | None) -> int | None:
        """A mod revision to compare with, in etcd's numbers; one that cannot be stays one that is nowhere."""
        if not revision:
            return revision
        there = revision - self.shift
        return there if there > 0 else _NEVER


async def open_origin(client: EtcdClient, prefix: str) -> Origin:
    """The store under `prefix`; makes a new one where nothing is. Raises NotOurStore, StoreUnavailable."""
    found = await read_origin(client, prefix)
    if found is None:
        await _refuse_strangers(client, prefix)
        request = put_txn(marker_key(prefix), _marker(None, "ready"), 0)
        await client.call(TXN, request, safe=True)  # whoever comes first makes it
        found = await read_origin(client, prefix)
        assert found is not None
    origin, state = found
    if state != "ready":
        raise NotOurStore(
            f"the store in etcd at {client.name} was not filled to its end: repeat `kctl store migrate` or "
            "`kctl store restore`"
        )
    return origin


async def read_origin(client: EtcdClient, prefix: str) -> tuple[Origin, State] | None:
    """What is there, None where nothing is. Raises NotOurStore, StoreUnavailable."""
    there = range_answer(await client.call(RANGE, range_request(marker_key(prefix)))).kvs
    if not there:
        return None
    try:
        marker = json.loads(there[0].value)
        shape, oldest = marker["format"], int(marker.get("oldest", 0))
        shift = int(marker.get("shift", -there[0].create_revision))
        state: State = marker["state"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotOurStore(
            f"{marker_key(prefix)!r} in etcd at {client.name} cannot be read: {error}"
        ) from error
    if shape != FORMAT:
        raise NotOurStore(
            f"the store in etcd at {client.name} has format {shape}, this program reads {FORMAT}"
        )
    return Origin(prefix.encode(), shift, oldest), state


async def begin_filling(client: EtcdClient, prefix: str, floor: int) -> Origin:
    """Empties the store; what is written next has revisions above `floor` and above all it ever had.

    Only while no API server uses it.
    """
    found = await read_origin(client, prefix)
    if found is None:
        await _refuse_strangers(client, prefix)
    now = await _now(client)
    if found is not None:
        floor = max(floor, now + found[0].shift)
    origin = Origin(prefix.encode(), floor - now, floor)
    keys = origin.key(ROOT)
    await client.call(
        TXN, replace_txn(keys, prefix_end(keys), marker_key(prefix), _marker(origin, "filling"))
    )
    return origin


async def end_filling(client: EtcdClient, prefix: str, origin: Origin) -> Origin:
    """The store is whole: nothing before now can be read, and API servers may start on it."""
    done = replace(origin, oldest=await _now(client) + origin.shift)
    await client.call(TXN, put_txn(marker_key(prefix), _marker(done, "ready"), None))
    return done


async def remove_origin(client: EtcdClient, prefix: str) -> None:
    """Leaves nothing of the store, and says nothing where there is none. Only while no API server uses it."""
    if await read_origin(client, prefix) is not None:
        marker, turns, keys = marker_key(prefix), turns_key(prefix), (prefix + ROOT).encode()
        ranges = ((marker, marker + b"\0"), (turns, turns + b"\0"), (keys, prefix_end(keys)))
        await client.call(TXN, delete_all_txn(ranges))


async def _now(client: EtcdClient) -> int:
    return revision_of(await client.call(RANGE, range_request(b"\0", count_only=True)))


def _marker(origin: Origin | None, state: State) -> bytes:
    placed = {"shift": origin.shift, "oldest": origin.oldest} if origin else {}
    return json.dumps({"format": FORMAT, **placed, "state": state}).encode()


def marker_key(prefix: str) -> bytes:
    return prefix.encode() + b"#store"


async def _refuse_strangers(client: EtcdClient, prefix: str) -> None:
    keys = (prefix + ROOT).encode()
    request = range_request(keys, prefix_end(keys), count_only=True)
    if count := range_answer(await client.call(RANGE, request)).count:
        raise NotOurStore(
            f"etcd at {client.name} holds {count} keys of another program under {keys.decode()!r}: "
            "choose another prefix"
        )
