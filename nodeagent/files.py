"""The seam between the agent and the node's file system: the few verbs that volumes and pod files need.

Implementations: `files_linux.py` (the real thing) and `files_memory.py` (no disk, no root: for the simulator
and the fake runtime). Paths are absolute strings. Verbs named remove/unmount succeed on what is gone.
"""

from __future__ import annotations

from typing import Literal, Protocol

FileKind = Literal["", "dir", "file", "link", "socket", "char", "block"]


class UnsafePath(OSError):
    """A path that would leave the volume it must stay in."""


class HostFiles(Protocol):
    def make_dir(self, path: str, mode: int = 0o755) -> None:
        """With parents; the mode is set exactly, whatever the umask. An existing directory is kept as it is."""
        ...

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Creates or replaces the content in place, so that a bind mount of the file sees it."""
        ...

    def read(self, path: str, tail_bytes: int = 0) -> bytes:
        """The whole, or its last `tail_bytes`. FileNotFoundError."""
        ...

    def kind(self, path: str, *, follow: bool = True) -> FileKind:
        """ "" where there is nothing."""
        ...

    def list_dir(self, path: str) -> list[str]:
        """Sorted names; empty where there is no such directory."""
        ...

    def symlink(self, target: str, path: str) -> None: ...

    def read_link(self, path: str) -> str:
        """ "" where there is no link."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def remove(self, path: str) -> None:
        """A file or a link."""
        ...

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        """-1 leaves as it is; does not follow links."""
        ...

    def set_mode(self, path: str, mode: int) -> None: ...

    def mount_tmpfs(self, path: str, *, size_bytes: int = 0, mode: int = 0o777) -> None:
        """Idempotent: an existing mount there is kept."""
        ...

    def bind_beneath(self, root: str, relative: str, target: str, *, create: bool) -> None:
        """Binds root/relative onto `target`, a file or directory made as needed. Links are followed only
        within root; UnsafePath otherwise. `create` makes missing directories below root."""
        ...

    def is_mount(self, path: str) -> bool: ...

    def unmount(self, path: str) -> None: ...

    async def remove_tree(self, path: str) -> None:
        """All below and the directory itself; never crosses into a mount: unmount first."""
        ...

    async def used_bytes(self, path: str) -> int:
        """What the files below take up on disk."""
        ...
