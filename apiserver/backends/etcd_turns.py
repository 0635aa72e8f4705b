"""Which of several API servers forgets old history this time: one, by a key that each of them compares and swaps.

Whoever finds the key as it left it, or as it saw it the last time it looked, writes it anew and has the turn; whoever finds it
changed has been spared it. So one server does it in each round, and when that one dies another does. The key
(`PREFIX#compactor`) holds when which revision was the newest, so that history's age is known across restarts.

The shape is upstream's (kube-apiserver's compact_rev_key); what to forget is decided in `retention.py`.
"""

from __future__ import annotations

import json

from apiserver.backends.etcd_client import RANGE, TXN, EtcdClient
from apiserver.backends.etcd_messages import put_txn, range_answer, range_request, txn_answer
from apiserver.backends.retention import HistoryAge


class Turns:
    """Revisions in the marks are the cluster's; the key's own are etcd's."""

    def __init__(self, client: EtcdClient, prefix: str, age: HistoryAge) -> None:
        self._client = client
        self._key = turns_key(prefix)
        self._age = age
        self._known: int | None = None  # etcd's revision of the key as it was last seen; None: never looked

    async def take(self, now: float, newest: int) -> bool:
        """Whether it is this server's turn. Raises StoreUnavailable."""
        there = range_answer(await self._client.call(RANGE, range_request(self._key))).kvs
        found = there[0].mod_revision if there else 0
        if there and found != self._known:
            self._known = found
            self._age.remember(_marks(there[0].value))
            return False
        self._age.mark(now, newest)
        value = json.dumps({"marks": self._age.marks}).encode()
        answer = txn_answer(await self._client.call(TXN, put_txn(self._key, value, found), safe=False))
        if answer.succeeded:
            self._known = answer.revision
        return answer.succeeded


def turns_key(prefix: str) -> bytes:
    return prefix.encode() + b"#compactor"


def _marks(value: bytes) -> list[tuple[float, int]]:
    """What another wrote; nothing where it cannot be read: then age is learnt anew."""
    try:
        return [(float(at), int(revision)) for at, revision in json.loads(value)["marks"]]
    except (ValueError, KeyError, TypeError):
        return []
