"""Which objects are a controller's: kept, adopted, released. Pure.

An object whose controller is the owner and whose labels match stays; one whose labels no longer
match is released; one without controller whose labels match is adopted. Nothing is adopted or
released by or for an owner that is being deleted, and nothing that is being deleted is adopted.

Source: Kubernetes controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from client.client import Client
from machinery.errors import Invalid, NotFound
from machinery.gvk import GVR
from machinery.objects import controller_of, is_being_deleted, labels, owner_reference, uid
from machinery.selectors import LabelSelector

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claims:
    """`held` includes what is to be adopted."""

    held: tuple[Obj, ...]
    adopt: tuple[Obj, ...] = ()
    release: tuple[Obj, ...] = ()


def plan_claims(owner: Obj, selector: LabelSelector, owned: Iterable[Obj], orphans: Iterable[Obj]) -> Claims:
    held: list[Obj] = []
    adopt: list[Obj] = []
    release: list[Obj] = []
    deleting = is_being_deleted(owner)
    for obj in owned:
        if selector.matches(labels(obj)):
            held.append(obj)
        elif not deleting:
            release.append(obj)
    if not deleting:
        adopt = [obj for obj in orphans if _is_adoptable(obj, owner, selector)]
    return Claims((*held, *adopt), tuple(adopt), tuple(release))


def _is_adoptable(obj: Obj, owner: Obj, selector: LabelSelector) -> bool:
    return (
        controller_of(obj) is None
        and selector.matches(labels(obj))
        and not is_being_deleted(obj)
        and obj["metadata"].get("namespace") == owner["metadata"].get("namespace")
    )


async def apply_claims(client: Client, gvr: GVR, owner: Obj, owner_gvr: GVR, claims: Claims) -> None:
    """Adopts and releases on the server. Objects that are gone meanwhile do not matter.

    Raises NotFound if the owner itself is gone or replaced: checked live before the first adoption,
    because a cache may show an owner that no longer exists.
    """
    if claims.adopt:
        meta = owner["metadata"]
        live = await client.get(owner_gvr, meta["name"], meta.get("namespace", ""))
        if uid(live) != uid(owner) or is_being_deleted(live):
            raise NotFound(f'{owner_gvr.kind} "{meta["name"]}" is gone or being deleted, it adopts nothing')
    for obj in claims.adopt:
        reference = owner_reference(owner, api_version=owner_gvr.api_version, kind=owner_gvr.kind)
        await _patch(client, gvr, obj, {"ownerReferences": [reference]})
    for obj in claims.release:
        await _patch(client, gvr, obj, {"ownerReferences": [{"$patch": "delete", "uid": uid(owner)}]})


async def _patch(client: Client, gvr: GVR, obj: Obj, metadata: Obj) -> None:
    meta = obj["metadata"]
    patch = {"metadata": {**metadata, "uid": uid(obj)}}
    try:
        await client.patch(gvr, meta["name"], patch, meta.get("namespace", ""), type="strategic")
    except NotFound:
        pass
    except Invalid:  # the uid did not fit: another object has taken the name
        pass
