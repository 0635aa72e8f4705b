"""Node selectors: the terms of a node affinity, over a node's labels and its name.

Terms are alternatives; within a term every expression and every field must match; a term without any
matches nothing. Operators: In, NotIn, Exists, DoesNotExist, Gt, Lt.

Source: component-helpers scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from machinery.selectors.labels import _OPERATORS, LabelSelector, Requirement, SelectorError


class NodeSelector:
    """`matches(node)`; without terms it matches nothing."""

    __slots__ = ("terms",)

    def __init__(self, terms: Iterable[tuple[LabelSelector, LabelSelector]]) -> None:
        self.terms = tuple(terms)  # (over labels, over fields)

    def matches(self, node: Mapping[str, Any]) -> bool:
        meta = node.get("metadata") or {}
        return self.matches_named(meta.get("name", ""), meta.get("labels") or {})

    def matches_named(self, name: str, labels: Mapping[str, str]) -> bool:
        fields = {"metadata.name": name}
        return any(by_label.matches(labels) and by_field.matches(fields) for by_label, by_field in self.terms)


def _requirements(expressions: Iterable[Mapping[str, Any]]) -> list[Requirement]:
    out = []
    for expression in expressions:
        operator = _OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise SelectorError(f'"{expression.get("operator", "")}" is not a valid node selector operator')
        out.append(Requirement(expression["key"], operator, tuple(sorted(expression.get("values") or ()))))
    return out


def node_selector_of(terms: Iterable[Mapping[str, Any]]) -> NodeSelector:
    """From nodeSelectorTerms (or the one `preference` of a preferred term, in a list)."""
    compiled = []
    for term in terms:
        by_label = _requirements(term.get("matchExpressions") or ())
        by_field = _requirements(term.get("matchFields") or ())
        if by_label or by_field:
            compiled.append((LabelSelector(by_label), LabelSelector(by_field)))
    return NodeSelector(compiled)
