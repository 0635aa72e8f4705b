"""JSON Patch (RFC 6902): a list of operations, all of which apply or none.

Messages follow the library that upstream uses (evanphx/json-patch). As there, `add` to an object's member
creates it, `replace` and `remove` need it, `-` is the place after an array's last element, and negative
indices count from its end. What `copy` adds is bounded: a few copies of copies would fill any memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from machinery.codec.json_ import MAX_DEPTH, is_deeper
from machinery.objects import deep_copy
from machinery.patch import PatchError

MAX_OPERATIONS = 10_000
KEYS = frozenset({"op", "path", "from", "value"})
"""What an operation may say; anything else is not looked at."""
MAX_COPIED_BYTES = 3 * 1024 * 1024
_MISSING = object()


class NotAPatch(PatchError):
    """The patch is no list of operations: nothing was tried."""


class TooManyOperations(PatchError):
    """The patch is longer than anybody's needs to be."""


def parse_pointer(pointer: str) -> list[str]:
    """RFC 6901: `/a~1b/0` → ["a/b", "0"]. PatchError where it does not start with a slash."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise PatchError(f'invalid JSON pointer: "{pointer}"')
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def apply(document: Any, operations: Any) -> Any:
    """The document after all operations. PatchError when one of them cannot be done."""
    if operations is None:
        operations = []
    if not isinstance(operations, list):
        raise NotAPatch("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise TooManyOperations(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    holder = {"": deep_copy(document)}  # the document as a member, so that "" can be replaced, too
    copied = 0
    for operation in operations:
        _refuse_no_operation(operation)
        if operation.get("op") == "copy":
            copied += _copy(holder, operation, MAX_COPIED_BYTES - copied)
        else:
            _apply_one(holder, operation)
    if "" not in holder:
        raise PatchError("remove operation does not apply: nothing of the document is left")
    if is_deeper(holder[""], MAX_DEPTH):
        raise PatchError(f"the patched object is nested deeper than {MAX_DEPTH} levels")
    return holder[""]


def _refuse_no_operation(operation: Any) -> None:
    if not isinstance(operation, dict):
        raise NotAPatch("each operation of a JSON patch must be an object")
    op = operation.get("op")
    wrong = ""
    if op not in ("add", "remove", "replace", "move", "test", "copy"):
        wrong = "unsupported operation"
    elif op in ("add", "replace") and "value" not in operation:
        wrong = "failed to decode 'value': operation, missing value field: missing value"
    if wrong:
        raise NotAPatch(f"invalid operation {orjson.dumps(operation).decode()}: {wrong}")


def _text(operation: dict[str, Any], key: str) -> str:
    value = operation.get(key)
    if not isinstance(value, str):
        raise PatchError(f"{operation.get('op', 'unknown')} operation does not apply: missing or bad {key!r}")
    return value


def _apply_one(holder: dict[str, Any], operation: dict[str, Any]) -> None:
    op: str = operation["op"]
    pointer = _text(operation, "path")
    if op in ("add", "replace"):
        value = deep_copy(operation["value"])
        (_add if op == "add" else _replace)(holder, pointer, value, op)
    elif op == "remove":
        _remove(holder, pointer, op)
    elif op == "test":
        _test(holder, pointer, operation.get("value"))
    else:
        source = _text(operation, "from")
        if pointer.startswith(source + "/"):
            raise PatchError(f"move operation does not apply: {source} is moved into itself")
        _add(holder, pointer, _remove(holder, source, op), op)


def _copy(holder: dict[str, Any], operation: dict[str, Any], left_bytes: int) -> int:
    """How many bytes it added, measured before anything is made."""
    pointer, source = _text(operation, "path"), _text(operation, "from")
    found = _get(holder, source)
    if found is _MISSING:
        raise PatchError(
            f'copy operation does not apply: doc is missing from path: "{source}": missing value'
        )
    if is_deeper(found, MAX_DEPTH):
        raise PatchError(f"copy operation does not apply: more than {MAX_DEPTH} levels at {source}")
    size = len(orjson.dumps(found))
    if size > left_bytes:
        raise PatchError(
            "Unable to complete the copy, the accumulated size increase of copy is "
            f"{MAX_COPIED_BYTES - left_bytes + size}, exceeding the limit {MAX_COPIED_BYTES}"
        )
    _add(holder, pointer, deep_copy(found), "copy")
    return size


def _parent(holder: dict[str, Any], pointer: str, op: str) -> tuple[Any, str]:
    """The container that a pointer's last step is in."""
    *steps, last = ["", *parse_pointer(pointer)]
    here: Any = holder
    for step in steps:
        here = _child(here, step)
        if here is _MISSING or not isinstance(here, (dict, list)):
            raise PatchError(
                f'{op} operation does not apply: doc is missing path: "{pointer}": missing value'
            )
    return here, last


def _child(container: Any, step: str) -> Any:
    if isinstance(container, dict):
        return container.get(step, _MISSING)
    if isinstance(container, list) and _is_index(step) and -len(container) <= int(step) < len(container):
        return container[int(step)]
    return _MISSING


def _is_index(step: str) -> bool:
    digits = step.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 10 and (digits == "0" or digits[0] != "0")


def _get(holder: dict[str, Any], pointer: str) -> Any:
    here: Any = holder
    for step in ["", *parse_pointer(pointer)]:
        here = _child(here, step)
        if here is _MISSING:
            break
    return here


def _index(container: Sequence[Any], step: str, limit: int, pointer: str, op: str) -> int:
    if not _is_index(step):
        raise PatchError(
            f"{op} operation does not apply: error in {op} for path: '{pointer}': bad index {step!r}"
        )
    index = int(step)
    if index < 0:
        index += limit
    if not 0 <= index < limit:
        raise PatchError(
            f"{op} operation does not apply: error in {op} for path: '{pointer}': "
            f"Unable to access invalid index: {step}: invalid index referenced"
        )
    return index


def _add(holder: dict[str, Any], pointer: str, value: Any, op: str) -> None:
    container, last = _parent(holder, pointer, op)
    if isinstance(container, dict):
        container[last] = value
    elif last == "-":
        container.append(value)
    else:
        container.insert(_index(container, last, len(container) + 1, pointer, op), value)


def _replace(holder: dict[str, Any], pointer: str, value: Any, op: str) -> None:
    container, last = _parent(holder, pointer, op)
    if isinstance(container, dict):
        if last not in container:
            raise PatchError(
                f"replace operation does not apply: doc is missing key: {pointer}: missing value"
            )
        container[last] = value
    else:
        container[_index(container, last, len(container), pointer, op)] = value


def _remove(holder: dict[str, Any], pointer: str, op: str) -> Any:
    container, last = _parent(holder, pointer, op)
    if isinstance(container, dict):
        if last not in container:
            raise PatchError(
                f"error in {op} for path: '{pointer}': Unable to remove nonexistent key: {last}: missing value"
            )
        return container.pop(last)
    return container.pop(_index(container, last, len(container), pointer, op))


def _test(holder: dict[str, Any], pointer: str, expected: Any) -> None:
    found = _get(holder, pointer)
    if found is _MISSING and expected is None:
        return
    if found is _MISSING or not json_equal(found, expected):
        raise PatchError(f"testing value {pointer} failed: test failed")


def json_equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: unlike in Python, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            json_equal(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(json_equal, left, right))
    return bool(left == right)
