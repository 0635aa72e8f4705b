"""Writes a set of files so that readers see the old set or the new one, never a mixture.

    volume/
      ..2026_11_21_09_00_00.123456789/   the files
      ..data -> ..2026_...               swapped by one rename
      key    -> ..data/key               what users open

Equal content is left untouched, so that nobody is woken for nothing.
Source: kubelet's volume/util/atomic_writer.go.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from machinery.clock import Clock
from nodeagent.files import HostFiles

DATA = "..data"


class File(NamedTuple):
    data: bytes
    mode: int = 0o644
    uid: int = -1


Payload = Mapping[str, File]  # relative path → file


def write_payload(
    files: HostFiles, directory: str, payload: Payload, clock: Clock, *, fs_group: int | None = None
) -> bool:
    """True when something was written. fsGroup: its members may read, and new entries inherit the group."""
    files.make_dir(directory, 0o777)
    current = files.read_link(f"{directory}/{DATA}")
    if current and _is_same(files, f"{directory}/{current}", payload, fs_group):
        return False
    fresh = _fresh_name(files, directory, clock.now())
    root = f"{directory}/{fresh}"
    files.make_dir(root, 0o755)
    for path in sorted(payload):
        _write_one(files, root, path, payload[path], fs_group)
    if fs_group is not None:
        for folder in [directory, root]:
            files.set_owner(folder, -1, fs_group)
        files.set_mode(root, 0o2755)
        files.set_mode(directory, 0o2777)
    link = f"{directory}/..data_tmp"
    files.remove(link)
    files.symlink(fresh, link)
    files.rename(link, f"{directory}/{DATA}")
    _link_names(files, directory, payload)
    return True


async def remove_stale(files: HostFiles, directory: str) -> None:
    """Removes earlier sets; called after `write_payload`, apart from it because a removal may take long."""
    current = files.read_link(f"{directory}/{DATA}")
    for name in files.list_dir(directory):
        if name.startswith("..2") and name != current:
            await files.remove_tree(f"{directory}/{name}")


def _write_one(files: HostFiles, root: str, path: str, file: File, fs_group: int | None) -> None:
    parent = posixpath.dirname(path)
    if parent:
        files.make_dir(f"{root}/{parent}", 0o755)
    files.write(f"{root}/{path}", file.data, _mode(file, fs_group))
    if fs_group is not None or file.uid >= 0:
        files.set_owner(f"{root}/{path}", file.uid, -1 if fs_group is None else fs_group)


def _mode(file: File, fs_group: int | None) -> int:
    return file.mode | (0o440 if fs_group is not None else 0)


def _is_same(files: HostFiles, root: str, payload: Payload, fs_group: int | None) -> bool:
    if sorted(_walk(files, root)) != sorted(payload):
        return False
    return all(files.read(f"{root}/{path}") == payload[path].data for path in payload)


def _walk(files: HostFiles, root: str, below: str = "") -> list[str]:
    found: list[str] = []
    for name in files.list_dir(f"{root}/{below}" if below else root):
        path = f"{below}/{name}" if below else name
        if files.kind(f"{root}/{path}") == "dir":
            found += _walk(files, root, path)
        else:
            found.append(path)
    return found


def _link_names(files: HostFiles, directory: str, payload: Payload) -> None:
    wanted = {path.split("/", 1)[0] for path in payload}
    for name in files.list_dir(directory):
        if not name.startswith("..") and name not in wanted:
            files.remove(f"{directory}/{name}")
    for name in sorted(wanted):
        if files.read_link(f"{directory}/{name}") != f"{DATA}/{name}":
            files.remove(f"{directory}/{name}")
            files.symlink(f"{DATA}/{name}", f"{directory}/{name}")


def _fresh_name(files: HostFiles, directory: str, now: float) -> str:
    """A name of the time, which a virtual clock may have given before."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("..%Y_%m_%d_%H_%M_%S.%f")
    number = 0
    while files.kind(f"{directory}/{stamp}{number:03d}", follow=False):
        number += 1
    return f"{stamp}{number:03d}"
