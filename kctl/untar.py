"""Lays out, in a local directory, what a container's tar says: the container is not trusted.

Only directories and plain files are made, and only below the target. Links, devices and the like are left out and
named, as kubectl does: a link could lead a later file of the same tar anywhere.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Untarred:
    count: int  # directories and files that were made
    skipped: tuple[str, ...]  # members of other kinds, as the tar names them


def untar(tar: tarfile.TarFile, name: str, target: Path) -> Untarred:
    """The member `name` becomes `target`, what is below it comes below that. Members elsewhere are passed over.
    Modes are kept without setuid and setgid, times too. Raises OSError and tarfile.TarError."""
    count, skipped = 0, []
    for member in tar:
        below = _below(member.name, name)
        if below is None:
            continue
        place = target.joinpath(*below)
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
        elif member.isfile():
            _write(tar, member, place)
        else:
            skipped.append(member.name)
            continue
        count += 1
    return Untarred(count, tuple(skipped))


def _below(member: str, name: str) -> tuple[str, ...] | None:
    """The parts of the member's path below `name`; None where it lies elsewhere, or climbs."""
    parts = tuple(part for part in PurePosixPath(member).parts if part not in ("/", "."))
    top = tuple(part for part in PurePosixPath(name).parts if part not in ("/", "."))
    return None if ".." in parts or parts[: len(top)] != top else parts[len(top) :]


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # only of members that are no files
    with content, place.open("wb") as file:
        shutil.copyfileobj(content, file)
        os.fchmod(file.fileno(), (member.mode & 0o777) | 0o600)
    os.utime(place, (member.mtime, member.mtime))
