"""Selectors: which objects are meant, by their labels or by some of their fields."""

from machinery.selectors.fields import FieldSelector, parse_field_selector
from machinery.selectors.labels import (
    EVERYTHING,
    NOTHING,
    LabelSelector,
    Requirement,
    SelectorError,
    label_selector_of,
    parse_label_selector,
    selector_from_labels,
    validate_label_selector,
)
from machinery.selectors.nodes import NodeSelector, node_selector_of

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "FieldSelector",
    "LabelSelector",
    "NodeSelector",
    "Requirement",
    "SelectorError",
    "label_selector_of",
    "node_selector_of",
    "parse_field_selector",
    "parse_label_selector",
    "selector_from_labels",
    "validate_label_selector",
]
