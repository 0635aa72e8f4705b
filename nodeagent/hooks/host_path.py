"""hostPath volumes: a path of the node, checked or made by its type. Nothing is ever removed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from nodeagent.files import FileKind, HostFiles
from nodeagent.hooks.hook import ObjectRef, TokenRef, VolumeContext, VolumeError
from nodeagent.podspec import Obj

_WANTED: dict[str, tuple[FileKind, str]] = {
    "Directory": ("dir", "a directory"),
    "DirectoryOrCreate": ("dir", "a directory"),
    "File": ("file", "a file"),
    "FileOrCreate": ("file", "a file"),
    "Socket": ("socket", "a socket"),
    "CharDevice": ("char", "a character device"),
    "BlockDevice": ("block", "a block device"),
}


class HostPathVolume:
    source = "hostPath"
    plugin = "host-path"
    in_memory = False

    def needs(self, volume: Obj) -> Iterable[ObjectRef | TokenRef]:
        return ()

    async def set_up(self, context: VolumeContext, volume: Obj) -> str:
        path, type_ = volume["hostPath"]["path"], volume["hostPath"].get("type") or ""
        files = context.files
        kind = files.kind(path)
        if not type_:
            if not kind:  # as upstream: the runtime makes a directory of what is not there
                files.make_dir(path)
            return str(path)
        if not kind and type_ == "DirectoryOrCreate":
            files.make_dir(path)
        elif not kind and type_ == "FileOrCreate":
            if files.kind(posixpath.dirname(path)) != "dir":
                raise VolumeError(f"hostPath type check failed: {posixpath.dirname(path)} is not a directory")
            files.write(path, b"")
        else:
            wanted, word = _WANTED.get(type_, ("", "of a known type"))
            if kind != wanted:
                raise VolumeError(f"hostPath type check failed: {path} is not {word}")
        return str(path)

    async def tear_down(self, files: HostFiles, directory: str) -> None:
        return None
