"""Kubeconfig files read as they are and changed in place, by kubectl's rules of which file a change goes to.

A file keeps its notation (JSON stays JSON, which is quicker to read) and mode, and is replaced in one step
under kubectl's own lock (`FILE.lock`): a reader sees the old or the new one, never half.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from client.kubeconfig import kubeconfig_paths, parse_file
from kctl.failure import Failure
from kctl.flags import Flag, Options

Obj = dict[str, Any]
KUBECONFIG = Flag("kubeconfig", help="kubeconfig file to use")
CONFIG_FLAGS: tuple[Flag, ...] = (KUBECONFIG,)
SINGULAR = {"clusters": "cluster", "contexts": "context", "users": "user"}
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def merged(kubeconfig: str | None) -> Obj:
    """All files as one: `clusters`, `contexts` and `users` by name, `current-context`; the first to say it wins."""
    whole: Obj = {"clusters": {}, "contexts": {}, "users": {}, "current-context": ""}
    for file, content in _existing(kubeconfig):
        whole["current-context"] = whole["current-context"] or content.get("current-context") or ""
        for section, singular in SINGULAR.items():
            for entry in content.get(section) or ():
                value = _with_full_paths(dict(entry.get(singular) or {}), file)
                whole[section].setdefault(entry.get("name", ""), value)
    return whole


def _existing(kubeconfig: str | None) -> list[tuple[str, Obj]]:
    paths = kubeconfig_paths(kubeconfig or "")
    return [(path, parse_file(path) or {}) for path in paths if os.path.exists(path)]


def _with_full_paths(value: Obj, file: str) -> Obj:
    for field in _PATHS:
        if value.get(field):
            value[field] = os.path.normpath(
                os.path.join(os.path.dirname(os.path.abspath(file)), value[field])
            )
    return value


def file_of(kubeconfig: str | None, section: str = "", name: str = "") -> str:
    """The file that a change goes to: the one that says it, else the first that exists, else the last named."""
    existing = _existing(kubeconfig)
    for path, content in existing:
        if section and any(entry.get("name") == name for entry in content.get(section) or ()):
            return path
        if not section and content.get("current-context"):
            return path
    return existing[0][0] if existing else kubeconfig_paths(kubeconfig or "")[-1]


def change(path: str, mutate: Callable[[Obj], None]) -> None:
    """Reads, lets `mutate` change the content, and puts it in the file's place. Raises Failure."""
    path = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        with _lock(path):
            content = parse_file(path) if os.path.exists(path) else {}
            is_json = _is_json(path)
            content.setdefault("apiVersion", "v1")
            content.setdefault("kind", "Config")
            mutate(content)
            _replace(path, _to_json(content) if is_json else _to_yaml(content))
    except OSError as error:
        raise Failure(f"cannot change {path}: {error.strerror or error}") from error


def entry_of(content: Obj, section: str, name: str, *, create: bool = False) -> Obj | None:
    """The entry's value, to be changed in place."""
    entries = content.get(section) or []
    for entry in entries:
        if entry.get("name") == name:
            value: Obj = entry.setdefault(SINGULAR[section], {})
            return value
    if not create:
        return None
    value = {}
    content[section] = sorted(
        [*entries, {"name": name, SINGULAR[section]: value}], key=lambda e: str(e["name"])
    )
    return value


def remove_entry(content: Obj, section: str, name: str) -> None:
    content[section] = [entry for entry in content.get(section) or () if entry.get("name") != name]


@contextmanager
def _lock(path: str) -> Iterator[None]:
    lock = f"{path}.lock"
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise Failure(
            f"{path} is being changed by somebody else; if nobody is, remove {lock} and try again"
        ) from None
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.unlink(lock)


def _is_json(path: str) -> bool:
    if not os.path.exists(path):
        return False
    with open(path, "rb") as file:
        return file.read(64).lstrip().startswith(b"{")


def _to_json(content: Obj) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _to_yaml(content: Obj) -> str:
    from machinery.codec.yaml_ import dump

    return dump(content)


def _replace(path: str, text: str) -> None:
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o600
    handle, name = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def delete_entry(options: Options, section: str) -> int:
    """What the delete words share."""
    singular = SINGULAR[section]
    if len(options.args) != 1:
        raise Failure(f"exactly one {singular} must be named: kctl config delete-{singular} NAME")
    name = options.args[0]
    config = merged(options.kubeconfig)
    file = file_of(options.kubeconfig, section, name)
    if name not in config[section]:
        raise Failure(f"cannot delete {singular} {name}, not in {file}")
    change(file, lambda content: remove_entry(content, section, name))
    print(f"deleted {singular} {name} from {file}")
    if section == "contexts" and config["current-context"] == name:
        print(
            "warning: this removed your active context, use `kctl config use-context` to select another one",
            file=sys.stderr,
        )
    return 0
