"""Labels of nodes that have other names today, wherever nodes are selected by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Obj = dict[str, Any]

OLD_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
}


def node_term_warnings(term: Obj, path: str) -> Iterator[str]:
    for index, each in enumerate(term.get("matchExpressions") or ()):
        key = each.get("key", "")
        if key in OLD_NODE_LABELS:
            yield f"{path}.matchExpressions[{index}].key: {key} is {OLD_NODE_LABELS[key]}"
