"""The spawner's memory on disk: what each sandbox and container is and how it ended.

    STATE/sandboxes/ID.jsonl     {"request": ..., "state": ...} at each change: a line each, appended
    STATE/containers/ID.jsonl    the spec with its first state, then a state at start and exit: a line each, appended

The last whole line counts; half a line of a crash or of a full disk is as good as none, and so is a container without a
state. A line brings its own beginning, so that half a line spoils none that follows. Not fsynced: after a power loss the
containers are gone anyway, and a record of another boot says so by its boot id.
"""

from __future__ import annotations

import contextlib
import errno
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
        _append(f"{self._sandboxes}/{sandbox_id}.jsonl", record)

    def forget_sandbox(self, sandbox_id: str) -> None:
        _unlink(f"{self._sandboxes}/{sandbox_id}.jsonl")

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
        found: dict[str, Record] = {}
        for sandbox_id, entries in _load_all(self._sandboxes):
            if entries:
                found[sandbox_id] = entries[-1]
        return found

    def containers(self) -> dict[str, tuple[Record, Record]]:
        """id → (spec, state)."""
        found: dict[str, tuple[Record, Record]] = {}
        for container_id, entries in _load_all(self._containers):
            spec: Record | None = None
            state: Record | None = None
            for entry in entries:
                spec, state = entry.get("spec", spec), entry.get("state", state)
            if spec is not None and state is not None:
                found[container_id] = (spec, state)
        return found


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _append(path: str, record: Record) -> None:
    line = b"\n" + _encode(record).encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(fd)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _load_all(directory: str) -> list[tuple[str, list[Record]]]:
    """(id, its whole lines in order); what is no line of JSON is left out."""
    found: list[tuple[str, list[Record]]] = []
    for name in sorted(os.listdir(directory)):
        entries: list[Record] = []
        with open(f"{directory}/{name}", "rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    entries.append(json.loads(line))
        found.append((name.removesuffix(".jsonl"), entries))
    return found
