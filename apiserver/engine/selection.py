"""labelSelector and fieldSelector as one predicate over what the store keeps beside each object.

Raises BadRequest for a selector that cannot be read or asks for a field the kind does not offer.
"""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.engine.catalog import Served
from apiserver.storage.store import Predicate
from machinery.errors import BadRequest
from machinery.selectors import SelectorError, parse_field_selector, parse_label_selector
from machinery.selectors.fields import FieldRequirement, FieldSelector

_ALWAYS = ("metadata.name", "metadata.namespace")


def selection(served: Served, labels_text: str, fields_text: str, name: str = "") -> Predicate | None:
    """None selects everything. `name` narrows to one object, as a watch on a named path does."""
    if not labels_text and not fields_text and not name:
        return None
    try:
        by_label = parse_label_selector(labels_text) if labels_text else None
        by_field = parse_field_selector(fields_text) if fields_text else None
    except SelectorError as error:
        raise BadRequest(str(error)) from error
    if by_field is not None:
        _check(served, by_field)
    if name:
        by_field = FieldSelector(
            [*(by_field.requirements if by_field else ()), FieldRequirement("metadata.name", "=", name)]
        )
    if by_label is not None and by_label.is_everything:
        by_label = None
    if by_field is not None and by_field.is_everything:
        by_field = None
    if by_field is None:
        if by_label is None:
            return None
        match_labels = by_label.matches
        return lambda labels, fields: match_labels(labels)
    match_fields = by_field.matches
    if by_label is None:
        return lambda labels, fields: match_fields(fields)
    match_both = by_label.matches

    def both(labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        return match_both(labels) and match_fields(fields)

    return both


def _check(served: Served, selector: FieldSelector) -> None:
    """Every field is one the kind offers."""
    known = served.resource.selectable_fields
    for requirement in selector.requirements:
        field = requirement.field
        if field in known or field in _ALWAYS:
            continue
        if known or served.resource.custom:
            raise BadRequest(f"field label not supported: {field}")
        raise BadRequest(
            f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )
