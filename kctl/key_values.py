"""Contents of ConfigMaps and Secrets from flags: files, folders, `KEY=VALUE` texts, env files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from kctl.failure import Failure
from kctl.flags import Flag, Options

KEY_VALUE_FLAGS: tuple[Flag, ...] = (
    Flag("from-file", type="list", default=[], help="file or folder; KEY=PATH gives a key other than the file's name"),
    Flag("from-literal", type="array", default=[], help="a KEY=VALUE text"),
    Flag("from-env-file", type="list", default=[], help="file with KEY=VALUE lines"),
)  # fmt: skip
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def read_key_values(options: Options, what: str) -> dict[str, bytes]:
    """In the order files, literals, env files. `what` is named in failures. Raises Failure."""
    if options.from_env_file and (options.from_file or options.from_literal):
        raise Failure("from-env-file cannot be combined with from-file or from-literal")
    found: dict[str, bytes] = {}
    sources = (_from_files(options.from_file), _from_literals(options.from_literal))
    for source in (*sources, _from_env_files(options.from_env_file)):
        for key, value in source:
            check_key(key, what)
            if key in found:
                raise Failure(f'cannot add key "{key}", another key by that name already exists in {what}')
            found[key] = value
    return found


def check_key(key: str, what: str) -> None:
    if not _KEY.fullmatch(key) or key in (".", "..") or key.startswith(".."):
        raise Failure(
            f'"{key}" is not a valid key name for {what}: letters, digits, -, _ and . are allowed (at most 253)'
        )


def _from_files(texts: list[str]) -> Iterator[tuple[str, bytes]]:
    for text in texts:
        key, equals, path = text.partition("=")
        if equals and (not key or not path or "=" in path):
            raise Failure(f"{text!r} is not PATH or KEY=PATH")
        file = Path(path if equals else text)
        if not file.is_dir():
            yield key if equals else file.name, _read(file)
            continue
        if equals:
            raise Failure("cannot give a key name for a directory path")
        for member in sorted(file.iterdir()):
            if member.is_file() and _KEY.fullmatch(member.name):
                yield member.name, _read(member)


def _from_literals(texts: list[str]) -> Iterator[tuple[str, bytes]]:
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Failure(f"invalid literal source {text}, expected key=value")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        yield key, value.encode()


def _from_env_files(paths: list[str]) -> Iterator[tuple[str, bytes]]:
    """Blank lines and # lines are passed over; a KEY alone takes its value from this process's environment."""
    for path in paths:
        text = _read(Path(path)).removeprefix(b"\xef\xbb\xbf")
        for number, raw in enumerate(text.splitlines(), 1):
            try:
                line = raw.decode().lstrip()
            except UnicodeDecodeError:
                raise Failure(f"env file {path} contains invalid utf8 bytes at line {number}") from None
            if not line or line.startswith("#"):
                continue
            key, equals, value = line.partition("=")
            if not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", key):
                raise Failure(f'"{key}" is not a valid key name: {path}, line {number}')
            if equals:
                yield key, value.encode()
            elif key in os.environ:
                yield key, os.environ[key].encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"error reading {path}: {error.strerror}") from error
