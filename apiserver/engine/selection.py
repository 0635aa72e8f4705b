"""labelSelector and fieldSelector as one predicate over what the store keeps beside each object.

Raises BadRequest for a selector that cannot be read or asks for a field the kind does not offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apiserver.engine.catalog import Served
from apiserver.storage.store import Predicate
from machinery.errors import BadRequest
from machinery.selectors import SelectorError, parse_field_selector, parse_label_selector
from machinery.selectors.fields import FieldRequirement, FieldSelector
from machinery.selectors.labels import LabelSelector

_ALWAYS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, slots=True)
class Selection:
    """A Predicate; those of the same selectors are equal."""

    labels: LabelSelector | None
    fields: FieldSelector | None

    def __call__(self, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        if self.labels is not None and not self.labels.matches(labels):
            return False
        return self.fields is None or self.fields.matches(fields)

    @property
    def exact_fields(self) -> Mapping[str, str]:
        """The values that some fields must have."""
        if self.fields is None:
            return {}
        return {
            field: value for field in self.fields.fields() if (value := self.fields.exact(field)) is not None
        }


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
    return None if by_label is None and by_field is None else Selection(by_label, by_field)


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
