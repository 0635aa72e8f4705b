"""What a write's query says of it: dryRun, fieldManager, fieldValidation and force, every mistake named at once.

Source: apimachinery pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from apiserver.engine.engine import FieldValidation, WriteOptions
from apiserver.http.request import Request
from machinery.errors import Cause, invalid
from machinery.field_errors import not_supported

_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_VALIDATIONS: dict[str, FieldValidation] = {mode: mode for mode in sorted(get_args(FieldValidation))}
_LONGEST_MANAGER = 128


def write_options(request: Request) -> WriteOptions:
    """Raises Invalid."""
    query = request.query
    agent = request.header(b"user-agent")
    if not query:
        return WriteOptions(user_agent=agent)
    dry_run, manager = query.values_of("dryRun"), query.get("fieldManager", "")
    said, force = query.get("fieldValidation") or "Warn", query.flag("force")
    validation = _VALIDATIONS.get(said)
    wrong = [*_wrong_manager(manager)]
    content_type = request.header(b"content-type")
    if "force" in query and request.info.verb == "patch" and "apply-patch" not in content_type:
        wrong.append(
            Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force")
        )
    if set(dry_run) - {"All"}:
        wrong.append(not_supported("dryRun", dry_run, ("All",)))
    if validation is None:
        wrong.append(not_supported("fieldValidation", said, ("", *_VALIDATIONS)))
    if wrong or validation is None:
        raise invalid("meta.k8s.io", _KINDS.get(request.info.verb, "DeleteOptions"), "", wrong)
    return WriteOptions(bool(dry_run), manager, validation, force, agent)


def dry(options: WriteOptions) -> WriteOptions:
    return replace(options, dry_run=True)


def _wrong_manager(manager: str) -> list[Cause]:
    wrong = []
    if len(manager) > _LONGEST_MANAGER:
        text = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        wrong.append(Cause("FieldValueTooLong", text, "fieldManager"))
    if manager and not manager.isprintable():
        shown = manager.encode("unicode_escape").decode()
        at = next(index for index, character in enumerate(manager) if not character.isprintable())
        text = f'Invalid value: "{shown}": invalid character U+{ord(manager[at]):04X} (at position {at})'
        wrong.append(Cause("FieldValueInvalid", text, "fieldManager"))
    return wrong
