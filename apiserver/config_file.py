"""Configuration files named by flags: read, checked for their shape, and read again when they change.

A shape is written as the file looks: {"jwt": [{"issuer": {"url": str}}], "kind": str}. A key that no shape has is an
error, not ignored: in these files a misspelt word would open a door.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from client.logs import get_logger
from machinery.clock import Clock
from machinery.errors import ApiError, Cause, invalid

log = get_logger("config")

T = TypeVar("T")
Shape = Any  # a mapping of shapes, a list of one shape, a type, or None for anything
EVERY_S = 10.0


class ConfigFileError(Exception):
    """The file cannot be used; the message names it and what is wrong in it."""


def read_config(path: Path, shape: Shape, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """What `parse` makes of the file's one document. Raises ConfigFileError."""
    from machinery.codec import yaml_

    try:
        value = yaml_.load(path.read_bytes())
    except OSError as error:
        raise ConfigFileError(f"{path} cannot be read: {error}") from error
    except yaml_.YamlError as error:
        raise ConfigFileError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(value, dict):
        raise ConfigFileError(f"{path} holds no configuration: a mapping is expected")
    try:
        if causes := check_shape(value, shape):
            raise invalid("", str(value.get("kind") or "configuration"), "", causes)
        return parse(value)
    except ApiError as error:
        raise ConfigFileError(f"{path}: {error.message}") from error


def check_shape(value: Any, shape: Shape, path: str = "") -> list[Cause]:
    """What in `value` does not fit. null is as good as absent."""
    if shape is None or value is None:
        return []
    if isinstance(shape, type):
        fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
        return [] if fits else [_wrong(path, value, f"expected {shape.__name__}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [_wrong(path, value, "expected a list")]
        return [
            cause for n, each in enumerate(value) for cause in check_shape(each, shape[0], f"{path}[{n}]")
        ]
    if not isinstance(value, dict):
        return [_wrong(path, value, "expected a mapping")]
    causes = []
    for key, each in value.items():
        at = f"{path}.{key}" if path else str(key)
        if key not in shape:
            causes.append(Cause("FieldValueForbidden", f'unknown field "{at}"', at))
        else:
            causes += check_shape(each, shape[key], at)
    return causes


def _wrong(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", f"Invalid value: {type(value).__name__}: {detail}", path)


class NotYet(ConfigFileError):
    """The file is as it should be, but what it names cannot be had at the moment: it is tried again."""


async def follow_files(
    paths: Sequence[Path], on_change: Callable[[], Awaitable[None] | None], clock: Clock
) -> None:
    """Calls `on_change` whenever a file is another than before, until cancelled. What it raises as ConfigFileError is
    logged, and the old configuration stays."""
    seen = [_mark(path) for path in paths]
    while True:
        await clock.sleep(EVERY_S)
        marks = [_mark(path) for path in paths]
        if marks == seen:
            continue
        seen = marks
        names = ", ".join(str(path) for path in paths)
        try:
            waiting = on_change()
            if waiting is not None:
                await waiting
        except ConfigFileError as error:
            if isinstance(error, NotYet):
                seen = []
            log.error("a changed file cannot be used, what was read before stays", error=str(error))
        else:
            log.info("read again what has changed", files=names)


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
