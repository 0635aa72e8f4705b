"""Images from local files: a directory or tar as the one layer, and how to run it.

The same files and settings give the same digest: names are sorted, times are zero, the layer is not
compressed (compressors differ between versions, and nothing is sent anywhere).
`build_from_busybox` makes a small image of the host's static busybox with its applets as links, so that a
cluster can be shown without any registry. Blocking; runs on worker threads.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from runtime.cri import ImageFailure
from runtime.images.failures import failing
from runtime.images.manifest import OCI_CONFIG, OCI_LAYER, Descriptor, Platform, build_manifest, encode
from runtime.images.metadata import Record
from runtime.images.reference import parse_reference
from runtime.images.store import ImageStore

BUILD_FAILED = "ImageBuildError"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_XATTRS = ("user.", "security.capability")
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
_GROUP = b"root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """What the image says about running it."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Sequence[str] = (_PATH,)
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: Sequence[str] = ()  # "80/tcp"

    def to_dict(self) -> dict[str, Any]:
        raw: dict[str, Any] = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Env": list(self.env),
            "WorkingDir": self.working_dir,
            "User": self.user,
            "StopSignal": self.stop_signal,
            "Labels": dict(self.labels),
            "ExposedPorts": {port: {} for port in self.exposed_ports},
        }
        return {key: value for key, value in raw.items() if value}


def build_image(
    store: ImageStore, tag: str, source: Path, config: BuildConfig, platform: Platform, *, now: float = 0.0
) -> Record:
    """From a root directory or from a tar of one. Raises ImageFailure."""
    with failing(f"building {tag}", store.root, BUILD_FAILED):
        if source.is_dir():
            with tempfile.TemporaryFile(dir=store.root / "ingest") as layer:
                write_layer(source, layer)
                layer.seek(0)
                return _install(store, tag, layer, config, platform, now)
        with open(source, "rb") as layer:
            if layer.read(2) == b"\x1f\x8b":
                raise ImageFailure(BUILD_FAILED, f"{source} is compressed: unpack it to a plain tar first")
            layer.seek(0)
            return _install(store, tag, layer, config, platform, now)


def build_busybox(
    store: ImageStore,
    tag: str,
    platform: Platform,
    *,
    busybox: Path | None = None,
    files: Mapping[str, bytes] | None = None,
    config: BuildConfig | None = None,
    now: float = 0.0,
) -> Record:
    """`files`: further contents by path, such as {"/www/index.html": b"..."}; a file below a bin directory is
    executable. Default command: sh."""
    with failing(f"building {tag}", store.root, BUILD_FAILED):
        program = find_static_busybox(busybox)
        layer = io.BytesIO(busybox_layer(program.read_bytes(), applets_of(program), files or {}))
        return _install(store, tag, layer, config or BuildConfig(cmd=("sh",)), platform, now)


def find_static_busybox(path: Path | None = None) -> Path:
    """Raises ImageFailure that names the package to install."""
    places = [path] if path else [Path(p) for p in (shutil.which("busybox"), "/bin/busybox.static") if p]
    for place in places:
        if place.is_file() and is_static(place):
            return place.resolve()
    tried = ", ".join(map(str, places)) or "the PATH"
    raise ImageFailure(
        BUILD_FAILED, f"no statically linked busybox at {tried}: install the package busybox-static"
    )


def is_static(path: Path) -> bool:
    """Whether a 64-bit ELF program runs without an interpreter, that is without any library."""
    with open(path, "rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:5] != b"\x7fELF\x02" or header[5] != 1:
            return False
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        table = file.read(size * count)
    interpreter = 3  # PT_INTERP
    return all(struct.unpack_from("<I", table, i * size)[0] != interpreter for i in range(count))


def applets_of(program: Path) -> list[str]:
    """Paths below / for each applet, as busybox itself would install them: `bin/ls`, `usr/bin/wc`."""
    listed = subprocess.run(
        [program, "--list-full"], capture_output=True, text=True, timeout=10, check=False, env={}
    )
    if listed.returncode != 0:
        raise ImageFailure(BUILD_FAILED, f"{program} --list-full failed: {listed.stderr.strip()[:200]}")
    return sorted(line for line in listed.stdout.split() if line not in ("bin/busybox", "busybox"))


def busybox_layer(program: bytes, applets: Sequence[str], files: Mapping[str, bytes]) -> bytes:
    """The layer's tar. Pure."""
    contents = {"bin/busybox": program, "etc/passwd": _PASSWD, "etc/group": _GROUP}
    contents.update({path.strip("/"): data for path, data in files.items()})
    modes = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}
    directories = {"dev", "etc", "home", "proc", "run", "sys", "var", "usr/local/bin", *modes}
    paths = {*contents, *applets}
    for path in [*paths, *directories]:
        directories.update(str(parent) for parent in Path(path).parents if str(parent) != ".")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted({*directories, *paths}):
            entry = tarfile.TarInfo(path)
            if path in directories:
                entry.type, entry.mode = tarfile.DIRTYPE, modes.get(path, 0o755)
                tar.addfile(entry)
            elif path in contents:
                is_program = "bin" in Path(path).parent.name
                entry.size, entry.mode = len(contents[path]), 0o755 if is_program else 0o644
                tar.addfile(entry, io.BytesIO(contents[path]))
            else:
                entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, "/bin/busybox"
                tar.addfile(entry)
    return buffer.getvalue()


def write_layer(root: Path, target: IO[bytes]) -> None:
    """A directory as a layer: owners, modes, links, devices and xattrs kept, times zero, names sorted."""
    seen: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for path, name in _walk(root):
            _write_entry(tar, path, name, seen)


def _walk(root: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                name = f"{below}/{entry.name}" if below else entry.name
                found.append((entry.path, name))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
    return sorted(found, key=lambda pair: pair[1].split("/"))


def _write_entry(tar: tarfile.TarFile, path: str, name: str, seen: dict[tuple[int, int], str]) -> None:
    found = os.lstat(path)
    if stat.S_ISSOCK(found.st_mode):
        return
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uid, entry.gid = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
    entry.pax_headers = {
        f"SCHILY.xattr.{key}": os.getxattr(path, key, follow_symlinks=False).decode(
            "utf-8", "surrogateescape"
        )
        for key in sorted(os.listxattr(path, follow_symlinks=False))
        if key.startswith(_XATTRS)
    }
    identity = (found.st_dev, found.st_ino)
    if stat.S_ISDIR(found.st_mode):
        entry.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif identity in seen:
        entry.type, entry.linkname = tarfile.LNKTYPE, seen[identity]
    elif stat.S_ISREG(found.st_mode):
        seen[identity] = name
        entry.size = found.st_size
        with open(path, "rb") as file:
            tar.addfile(entry, file)
        return
    elif stat.S_ISFIFO(found.st_mode):
        entry.type = tarfile.FIFOTYPE
    else:
        entry.type = tarfile.CHRTYPE if stat.S_ISCHR(found.st_mode) else tarfile.BLKTYPE
        entry.devmajor, entry.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
    tar.addfile(entry)


def _install(
    store: ImageStore, tag: str, layer: IO[bytes], config: BuildConfig, platform: Platform, now: float
) -> Record:
    name = str(parse_reference(tag))
    with store.adding():
        digest, size = store.content.add_stream(layer, store.limits.blob_bytes)
        document: dict[str, Any] = {
            "created": "1970-01-01T00:00:00Z",
            "os": platform.os,
            "architecture": platform.architecture,
            "config": config.to_dict(),
            "rootfs": {"type": "layers", "diff_ids": [digest]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "kctl images build"}],
        }
        if platform.variant:
            document["variant"] = platform.variant
        data = encode(document)
        config_digest = store.content.put(data)
        descriptor = Descriptor(OCI_CONFIG, config_digest, len(data))
        manifest = build_manifest(descriptor, [Descriptor(OCI_LAYER, digest, size)])
        return store.install(store.content.put(manifest), tags=[name], now=now)
