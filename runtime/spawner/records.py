"""The spawner's memory on disk: what each sandbox and container is and how it ended.

    STATE/sandboxes/ID.json         {"config": ..., "state": ...}
    STATE/containers/ID.spec.json   written once, at creation
    STATE/containers/ID.state.json  written at creation, start and exit

A file is replaced whole (write, rename), so a reader never sees half of one. Not fsynced: after a power
loss the containers are gone anyway, and a record of another boot says so by its boot id.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

Record = dict[str, Any]


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
        _replace(f"{self._containers}/{container_id}.spec.json", spec)

    def save_state(self, container_id: str, state: Record) -> None:
        _replace(f"{self._containers}/{container_id}.state.json", state)

    def forget_container(self, container_id: str) -> None:
        _unlink(f"{self._containers}/{container_id}.state.json")
        _unlink(f"{self._containers}/{container_id}.spec.json")

    def sandboxes(self) -> dict[str, Record]:
        return _load_all(self._sandboxes, ".json")

    def containers(self) -> dict[str, tuple[Record, Record]]:
        """id → (spec, state); one without a state was never fully created and is left out."""
        specs = _load_all(self._containers, ".spec.json")
        states = _load_all(self._containers, ".state.json")
        return {key: (spec, states[key]) for key, spec in specs.items() if key in states}


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _replace(path: str, record: Record) -> None:
    draft = f"{path}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(record, separators=(",", ":")).encode())
    finally:
        os.close(fd)
    os.rename(draft, path)


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
