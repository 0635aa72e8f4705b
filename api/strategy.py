"""Strategies that many kinds share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.resource import Strategy

Obj = dict[str, Any]

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata", "status"})
# What of the metadata some kinds' status endpoints leave as it is.
ALL_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


class SpecStatusStrategy(Strategy):
    """A kind whose users own everything but `status`, and whose controller owns `status`, and metadata but `status_keeps`."""

    status_keeps: Sequence[str] = ()

    def prepare_create(self, obj: Obj) -> Sequence[str] | None:
        obj["status"] = {}  # present though empty, as a Go struct is written: clients index into it
        return None

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        restore(obj, old, "status")

    def prepare_status_update(self, obj: Obj, old: Obj) -> None:
        for key in sorted((obj.keys() | old.keys()) - _ENVELOPE):
            restore(obj, old, key)
        for key in self.status_keeps:
            restore(obj["metadata"], old["metadata"], key)


def restore(obj: Obj, old: Obj, key: str) -> None:
    """Puts `old`'s value back, or removes the key where old had none."""
    if key in old:
        obj[key] = old[key]
    else:
        obj.pop(key, None)
