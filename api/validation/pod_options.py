"""What an update may keep although a new object may not have it: mistakes that older servers let pass.

Source: Kubernetes API conventions, "Validation" (ratcheting).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodOptions:
    """`is_pod`: a pod itself, not a template of one. All others: the old spec has it, so the new one may."""

    is_pod: bool = False
    odd_pages: bool = False  # huge pages that are no whole number of pages
    odd_selectors: bool = False  # values that are no labels, in selectors of affinity
    odd_node_values: bool = False  # the same in required node affinity
    odd_spread_selectors: bool = False
    odd_spread_keys: bool = False  # matchLabelKeys that the selector has as well
    odd_token_paths: bool = False
    host_sysctls: bool = False
    devices_for_own_users: bool = False
    odd_deletion_cost: bool = False
    restarting_resize: bool = False  # resizePolicy RestartContainer of init containers
    empty_images: bool = False  # image volumes without a reference


TEMPLATE = PodOptions()
POD = PodOptions(is_pod=True)


def containers_of(spec: Obj) -> Iterator[Obj]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()
