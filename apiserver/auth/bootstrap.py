"""Puts the built-in policy into the stores, and mends it when a newer version grants more.

What an administrator added stays; an object annotated autoupdate=false is left alone altogether.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from apiserver.auth import bootstrap_policy as policy
from apiserver.auth.chain import SecurityStores
from apiserver.auth.policy import AUTOUPDATE
from apiserver.auth.rules import uncovered
from apiserver.storage.store import Obj, StaleRevision, Store
from machinery.clock import Clock, rfc3339


async def ensure_policy(stores: SecurityStores, clock: Clock, rng: random.Random) -> int:
    """Idempotent; returns how many objects were written. The stores must be running. Raises StoreUnavailable."""
    wanted: list[tuple[Store, Obj]] = [
        *((stores.cluster_roles, obj) for obj in policy.cluster_roles()),
        *((stores.cluster_role_bindings, obj) for obj in policy.cluster_role_bindings()),
        *((stores.roles, obj) for obj in policy.roles()),
        *((stores.role_bindings, obj) for obj in policy.role_bindings()),
    ]
    return await ensure_objects(wanted, clock, rng)


async def ensure_objects(wanted: Iterable[tuple[Store, Obj]], clock: Clock, rng: random.Random) -> int:
    """Creates what is absent, all at once so that the writes share their commits; mends what is there."""
    now = rfc3339(clock.now())
    writes = []
    for store, obj in wanted:
        metadata = obj["metadata"]
        entry = await store.get(metadata.get("namespace", ""), metadata["name"])
        uid = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        if entry is None:
            metadata.update(uid=uid, creationTimestamp=now)
            writes.append(_create(store, obj))
        elif (mended := plan_mend(orjson.loads(entry.data), obj)) is not None:
            writes.append(_update(store, mended, entry.revision))
    await asyncio.gather(*writes)
    return len(writes)


def plan_mend(there: Obj, wanted: Mapping[str, Any]) -> Obj | None:
    """`there` with the rules, subjects and labels it lacks; None where it lacks nothing or wants none."""
    metadata = there["metadata"]
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) != "true":
        return None
    labels = {**(metadata.get("labels") or {}), **(wanted["metadata"].get("labels") or {})}
    rules = list(there.get("rules") or ())
    rules += [rule for rule in wanted.get("rules") or () if rule not in rules and uncovered(rules, [rule])]
    subjects = list(there.get("subjects") or ())
    subjects += [subject for subject in wanted.get("subjects") or () if subject not in subjects]
    mended: Obj = {**there, "metadata": {**metadata, "labels": labels}}
    for name, value in (("rules", rules), ("subjects", subjects)):
        if value:
            mended[name] = value
    if "aggregationRule" in wanted:
        mended["aggregationRule"] = wanted["aggregationRule"]
    return mended if mended != there else None


async def _create(store: Store, obj: Obj) -> None:
    metadata = obj["metadata"]
    try:
        await store.create(metadata.get("namespace", ""), metadata["name"], obj)
    except StaleRevision:
        return  # another server was first


async def _update(store: Store, obj: Obj, revision: int) -> None:
    metadata = obj["metadata"]
    try:
        await store.update(metadata.get("namespace", ""), metadata["name"], obj, revision)
    except StaleRevision:
        return
