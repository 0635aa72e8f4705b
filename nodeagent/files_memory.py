"""A file system of dictionaries: what volumes need where there is no disk to touch (simulator, fake runtime).

Holds directories, files and links with modes and owners. A mount is a mark on a directory. Host paths that
nobody made do not exist, except that hostPath volumes may make them.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from nodeagent.files import FileKind, UnsafePath


@dataclass(slots=True)
class _Node:
    kind: FileKind
    data: bytes = b""
    target: str = ""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mounted: bool = False
    children: set[str] = field(default_factory=set)


class MemoryFiles:
    def __init__(self) -> None:
        self.nodes: dict[str, _Node] = {"/": _Node("dir")}

    def make_dir(self, path: str, mode: int = 0o755) -> None:
        real = self._resolve(path)
        if real in self.nodes:
            if self.nodes[real].kind != "dir":
                raise FileExistsError(path)
            return
        self.make_dir(posixpath.dirname(real))
        self._add(real, _Node("dir", mode=mode))

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        real = self._resolve(path)
        node = self.nodes.get(real)
        if node is None:
            if self.kind(posixpath.dirname(real)) != "dir":
                raise FileNotFoundError(path)
            node = _Node("file")
            self._add(real, node)
        if node.kind != "file":
            raise IsADirectoryError(path)
        node.data, node.mode = data, mode

    def read(self, path: str, tail_bytes: int = 0) -> bytes:
        node = self.nodes.get(self._resolve(path))
        if node is None or node.kind != "file":
            raise FileNotFoundError(path)
        return node.data[-tail_bytes:] if tail_bytes else node.data

    def kind(self, path: str, *, follow: bool = True) -> FileKind:
        node = self.nodes.get(self._resolve(path) if follow else self._resolve_parent(path))
        return node.kind if node else ""

    def list_dir(self, path: str) -> list[str]:
        node = self.nodes.get(self._resolve(path))
        return sorted(node.children) if node else []

    def symlink(self, target: str, path: str) -> None:
        real = self._resolve_parent(path)
        if real in self.nodes:
            raise FileExistsError(path)
        self._add(real, _Node("link", target=target))

    def read_link(self, path: str) -> str:
        node = self.nodes.get(self._resolve_parent(path))
        return node.target if node else ""

    def rename(self, old: str, new: str) -> None:
        source, target = self._resolve_parent(old), self._resolve_parent(new)
        if source not in self.nodes:
            raise FileNotFoundError(old)
        moved = {p: n for p, n in self.nodes.items() if p == source or p.startswith(source + "/")}
        children = {path: set(node.children) for path, node in moved.items()}
        self._drop(target)
        self._drop(source)
        for path, node in moved.items():
            node.children = children[path]
            self._add(target + path[len(source) :], node)

    def remove(self, path: str) -> None:
        self._drop(self._resolve_parent(path))

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        node = self.nodes[self._resolve_parent(path)]
        node.uid = node.uid if uid < 0 else uid
        node.gid = node.gid if gid < 0 else gid

    def set_mode(self, path: str, mode: int) -> None:
        self.nodes[self._resolve(path)].mode = mode

    def mount_tmpfs(self, path: str, *, size_bytes: int = 0, mode: int = 0o777) -> None:
        self.make_dir(path)
        node = self.nodes[self._resolve(path)]
        node.mounted, node.mode = True, mode

    def bind_beneath(self, root: str, relative: str, target: str, *, create: bool) -> None:
        if relative.startswith("/") or ".." in relative.split("/"):
            raise UnsafePath(f"subpath {relative!r} must be relative and must not contain '..'")
        base = self._resolve(root)
        real = self._resolve(posixpath.join(base, relative))
        if real != base and not real.startswith(base + "/"):
            raise UnsafePath(f"subpath {relative!r} leads outside of the volume")
        if not self.kind(real):
            if not create:
                raise FileNotFoundError(real)
            self.make_dir(real)
        self.make_dir(posixpath.dirname(target))
        if not self.kind(target):
            self._add(self._resolve(target), _Node(self.kind(real), mounted=True))

    def is_mount(self, path: str) -> bool:
        node = self.nodes.get(self._resolve(path))
        return node is not None and node.mounted

    def unmount(self, path: str) -> None:
        node = self.nodes.get(self._resolve(path))
        if node is not None:
            node.mounted = False

    async def remove_tree(self, path: str) -> None:
        self._drop(self._resolve_parent(path))

    async def used_bytes(self, path: str) -> int:
        real = self._resolve(path)
        return sum(len(n.data) for p, n in self.nodes.items() if p == real or p.startswith(real + "/"))

    def _add(self, path: str, node: _Node) -> None:
        self.nodes[path] = node
        self.nodes[posixpath.dirname(path)].children.add(posixpath.basename(path))

    def _drop(self, path: str) -> None:
        node = self.nodes.pop(path, None)
        if node is None:
            return
        for child in sorted(node.children):
            self._drop(f"{path}/{child}")
        if node.kind == "dir":
            node.children = set()
        parent = self.nodes.get(posixpath.dirname(path))
        if parent is not None:
            parent.children.discard(posixpath.basename(path))

    def _resolve_parent(self, path: str) -> str:
        return posixpath.join(self._resolve(posixpath.dirname(path)), posixpath.basename(path))

    def _resolve(self, path: str, depth: int = 0) -> str:
        at = "/"
        for part in posixpath.normpath(path).split("/"):
            if not part:
                continue
            at = posixpath.join(at, part)
            node = self.nodes.get(at)
            if node is not None and node.kind == "link" and depth < 40:
                at = self._resolve(posixpath.join(posixpath.dirname(at), node.target), depth + 1)
        return at
