"""Who owns whom, over all kinds: the garbage collector's picture of the cluster. Pure, no I/O.

Nodes are objects by uid. An owner that is referred to but was never seen is a *virtual* node: it may
be older than our watch, of a kind we cannot see, or not exist; somebody has to look. `observe` and
`remove` return the uids that must be looked at because of the change.

Invariant: `dependents` of a node is exactly the set of nodes whose `owners` name its uid.

Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from machinery.gvk import GVR, Key, key_of
from machinery.objects import finalizers, is_being_deleted, owners, uid

Obj = dict[str, Any]

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(frozen=True, slots=True)
class Reference:
    """One owner reference, as far as it matters here."""

    uid: str
    group: str
    kind: str
    name: str
    blocks: bool


@dataclass(slots=True)
class Node:
    """`gvr` is None for a virtual node, whose `reference` tells where to look."""

    uid: str
    gvr: GVR | None
    key: Key
    owners: tuple[Reference, ...] = ()
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    reference: Reference | None = None
    dependents: dict[str, None] = field(default_factory=dict)  # uids, in order of arrival

    @property
    def is_virtual(self) -> bool:
        return self.gvr is None

    @property
    def waits_for_dependents(self) -> bool:
        """Foreground deletion: it goes when its dependents are gone."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers


def references_of(obj: Obj) -> tuple[Reference, ...]:
    return tuple(
        Reference(
            ref["uid"],
            ref["apiVersion"].rpartition("/")[0],
            ref["kind"],
            ref["name"],
            bool(ref.get("blockOwnerDeletion")),
        )
        for ref in owners(obj)
    )


class OwnerGraph:
    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}

    def observe(self, gvr: GVR, obj: Obj) -> list[str]:
        """An object as it is now. Returns what must be looked at."""
        id_ = uid(obj)
        node = self.nodes.get(id_)
        look: dict[str, None] = {}
        if node is None or node.is_virtual:
            fresh = Node(id_, gvr, key_of(obj))
            if node is not None:
                fresh.dependents = node.dependents
                look.update(fresh.dependents)  # their owner is known now: mistaken references show
            node = self.nodes[id_] = fresh
        was_waiting = node.waits_for_dependents
        before = {ref.uid: ref for ref in node.owners}
        node.owners = references_of(obj)
        node.deleting = is_being_deleted(obj)
        node.finalizers = tuple(finalizers(obj))
        after = {ref.uid: ref for ref in node.owners}
        for ref in node.owners:
            if ref.uid not in before:
                self._link(node, ref)
        for ref_uid, ref in before.items():
            if ref_uid not in after:
                self._unlink(node, ref_uid)
            if ref_uid not in after or (ref.blocks and not after[ref_uid].blocks):
                look.update(dict.fromkeys(self._waiting(ref_uid)))
        if node.orphans_dependents or node.waits_for_dependents or not self.has_solid_owners(node):
            look[id_] = None
        if node.waits_for_dependents and not was_waiting:
            look.update(node.dependents)
        return list(look)

    def remove(self, id_: str) -> list[str]:
        """The object is gone. Its dependents, and owners that waited for it, must be looked at."""
        node = self.nodes.pop(id_, None)
        if node is None:
            return []
        node.dependents.pop(id_, None)  # what names itself as its owner
        look: dict[str, None] = dict(node.dependents)
        for ref in node.owners:
            self._unlink(node, ref.uid)
            look.update(dict.fromkeys(self._waiting(ref.uid)))
        if node.dependents:  # they still name it: a virtual node keeps their link
            reference = (
                Reference(id_, node.gvr.group, node.gvr.kind, node.key.name, False) if node.gvr else None
            )
            ghost = Node(id_, None, node.key, reference=reference or node.reference)
            ghost.dependents = node.dependents
            self.nodes[id_] = ghost
        return list(look)

    def forget_virtual(self, id_: str) -> None:
        """Drops a virtual node that nobody names any more."""
        node = self.nodes.get(id_)
        if node is not None and node.is_virtual and not node.dependents:
            del self.nodes[id_]

    def owner_of(self, node: Node, ref: Reference) -> Node | None:
        """The node that a reference means; None where unknown or where its coordinates do not fit."""
        owner = self.nodes.get(ref.uid)
        if owner is None or owner.gvr is None or owner.key.name != ref.name:
            return None
        if (owner.gvr.group, owner.gvr.kind) != (ref.group, ref.kind):
            return None
        return owner if owner.key.namespace in ("", node.key.namespace) else None

    def has_solid_owners(self, node: Node) -> bool:
        """Every owner is known and stays: nothing to do, and nobody to ask. True without owners."""
        for ref in node.owners:
            owner = self.owner_of(node, ref)
            if owner is None or owner.waits_for_dependents:
                return False
        return True

    def dependents(self, id_: str) -> list[Node]:
        node = self.nodes.get(id_)
        return [self.nodes[each] for each in node.dependents] if node is not None else []

    def blocking_dependents(self, id_: str) -> list[Node]:
        """The dependents that foreground deletion waits for."""
        return [
            each for each in self.dependents(id_) if any(ref.uid == id_ and ref.blocks for ref in each.owners)
        ]

    def of_resource(self, gvr: GVR) -> Iterable[Node]:
        return [node for node in self.nodes.values() if node.gvr == gvr]

    def _link(self, node: Node, ref: Reference) -> None:
        owner = self.nodes.get(ref.uid)
        if owner is None:
            owner = Node(ref.uid, None, Key(node.key.namespace, ref.name), reference=ref)
            self.nodes[ref.uid] = owner
        owner.dependents[node.uid] = None

    def _unlink(self, node: Node, owner_uid: str) -> None:
        owner = self.nodes.get(owner_uid)
        if owner is not None:
            owner.dependents.pop(node.uid, None)
            self.forget_virtual(owner_uid)

    def _waiting(self, owner_uid: str) -> list[str]:
        owner = self.nodes.get(owner_uid)
        return [owner_uid] if owner is not None and owner.waits_for_dependents else []
