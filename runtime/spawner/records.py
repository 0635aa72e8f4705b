"""The spawner's memory on disk: what each sandbox and container is and how it ended.

    STATE/sandboxes/ID.json      {"config": ..., "state": ...}, replaced whole (write, rename)
    STATE/containers/ID.jsonl    the spec with its first state, then a state at start and exit: a line each, appended

The last whole line of a container counts; half a line of a crash is as good as none, and so is a
container without a state. Not fsynced: after a power loss the containers are gone anyway, and a record of
another boot says so by its boot id.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

Record = dict[str, Any]
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Records:
    def __init__(self, directory: str) -> None:
        self._sandboxes = f"{directory}/sandboxes"
        self._containers = f"{directory}/containers"
        for path in (self._sandboxes, self._containers):
            os.makedirs(path, 0o700, exist_ok=True)

    def save_sandbox(self, sandbox_id: str, record: Record) -> None:
        _replace(f"{self._sandboxes}/{sandbox_id}.json", record)

    def forget_sandbox(self, sandbox_id: str) -> None:
        _unlink(f"{self._sandboxes}/{sandbox_id}.json")

    def save_spec(self, container_id: str, spec: Record) -> None:
        _append(self._path(container_id), {"spec": spec})

    def save_new(self, container_id: str, spec: Record, state: Record) -> None:
        _append(self._path(container_id), {"spec": spec, "state": state})

    def save_state(self, container_id: str, state: Record) -> None:
        _append(self._path(container_id), {"state": state})

    def forget_container(self, container_id: str) -> None:
        _unlink(self._path(container_id))

    def _path(self, container_id: str) -> str:
        return f"{self._containers}/{container_id}.jsonl"

    def sandboxes(self) -> dict[str, Record]:
        return _load_all(self._sandboxes, ".json")

    def containers(self) -> dict[str, tuple[Record, Record]]:
        """id → (spec, state)."""
        found: dict[str, tuple[Record, Record]] = {}
        for name in sorted(os.listdir(self._containers)):
            spec: Record | None = None
            state: Record | None = None
            with open(f"{self._containers}/{name}", "rb") as file:
                for line in file:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        continue
                    spec, state = entry.get("spec", spec), entry.get("state", state)
            if spec is not None and state is not None:
                found[name.removesuffix(".jsonl")] = (spec, state)
        return found


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _replace(path: str, record: Record) -> None:
    draft = f"{path}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, _encode(record).encode())
    finally:
        os.close(fd)
    os.rename(draft, path)


def _append(path: str, record: Record) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, _encode(record).encode() + b"\n")
    finally:
        os.close(fd)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _load_all(directory: str, suffix: str) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for name in sorted(os.listdir(directory)):
        if not name.endswith(suffix):
            continue
        try:
            with open(f"{directory}/{name}", "rb") as file:
                found[name.removesuffix(suffix)] = json.load(file)
        except ValueError:  # half a file of an older crash: as good as none
            continue
    return found
