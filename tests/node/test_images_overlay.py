"""Layers, whiteouts and full disks on the real kernel. Mounts live in mount namespaces of their own."""

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest

from runtime.cri import ImageFailure
from runtime.images import commands
from runtime.images.content import digest_of
from runtime.images.manifest import OCI_CONFIG, OCI_LAYER, Descriptor, build_manifest, encode, host_platform
from runtime.images.store import ImageStore
from runtime.images.unpack import Limits, unpack_layer
from runtime.images.writable import WritableLayers

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (util-linux)"),
]


def run_in_mount_namespace(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            sys.executable,
            "-c",
            textwrap.dedent(script),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tar_of(*entries) -> bytes:
    """(name, type, data or link target, further TarInfo attributes)"""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, content, more in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o755 if kind == tarfile.DIRTYPE else 0o644
            for key, value in more.items():
                setattr(entry, key, value)
            if kind == tarfile.REGTYPE:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            else:
                entry.linkname = content
                tar.addfile(entry)
    return buffer.getvalue()


def file(name, content=b"", **more):
    return (name, tarfile.REGTYPE, content, more)


def folder(name, **more):
    return (name, tarfile.DIRTYPE, "", more)


def install(store: ImageStore, *layers: bytes):
    descriptors = []
    for layer in layers:
        digest, size = store.content.add_stream(io.BytesIO(layer), 1 << 30)
        descriptors.append(Descriptor(OCI_LAYER, digest, size))
    diff_ids = [digest_of(layer) for layer in layers]
    config = encode(
        {"os": "linux", "architecture": host_platform().architecture, "rootfs": {"diff_ids": diff_ids}}
    )
    descriptor = Descriptor(OCI_CONFIG, store.content.put(config), len(config))
    return store.install(
        store.content.put(build_manifest(descriptor, descriptors)), tags=["docker.io/library/t:1"]
    )


@pytest.fixture
def store(tmp_path):
    return commands.open_store(tmp_path / "store")


LIST_MERGED = """
import os, subprocess, sys
lower, upper, work, target = sys.argv[1:]
# Relative names, so that the options of many layers fit into the one page that mount(2) takes.
layers = os.path.dirname(lower.split(":")[0])
os.chdir(layers)
lower = ":".join(os.path.relpath(path, layers) for path in lower.split(":"))
subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", target], check=True)
for folder, folders, files in sorted(os.walk(target)):
    for name in sorted(folders + files):
        print(os.path.relpath(os.path.join(folder, name), target))
"""


def merged(store: ImageStore, record, tmp_path) -> list[str]:
    """Every path of the image's root file system, as overlayfs shows it."""
    writable = WritableLayers(store.root, tmp_path / "node")
    writable.create()
    rootfs = writable.prepare("c", record.id, record.chain_ids, store.lower(record))
    target = tmp_path / "merged"
    target.mkdir()
    return run_in_mount_namespace(
        LIST_MERGED, ":".join(rootfs.lower), rootfs.upper, rootfs.work, str(target)
    ).splitlines()


def test_whiteouts_hide_what_the_layers_below_hold(store, tmp_path):
    base = tar_of(
        file("gone"), file("stays"), folder("dir"), file("dir/old"), folder("all"), file("all/a"), file("all/b"),
        folder("replaced"), file("replaced/old"), folder("back"), file("back/old"),
    )  # fmt: skip
    upper = tar_of(
        file(".wh.gone"),
        file("dir/.wh.old"),
        file("all/.wh..wh..opq"), file("all/new"),
        file(".wh.replaced"), folder("replaced"), file("replaced/new"),
        folder("back"), file("back/new"), file(".wh.back"),
        file(".wh..wh.plnk"),
    )  # fmt: skip
    record = install(store, base, upper)
    assert merged(store, record, tmp_path) == [
        "all", "back", "dir", "replaced", "stays", "all/new", "back/new", "replaced/new",
    ]  # fmt: skip


def test_whiteout_of_an_implied_directory_hides_the_old_one(store, tmp_path):
    base = tar_of(folder("d"), file("d/old"))
    upper = tar_of(file(".wh.d"), file("d/new"))
    assert merged(store, install(store, base, upper), tmp_path) == ["d", "d/new"]


def test_whiteout_does_not_hide_what_its_own_layer_brings(store, tmp_path):
    base = tar_of(file("x", b"old"))
    upper = tar_of(file("x", b"new"), file(".wh.x"))
    assert merged(store, install(store, base, upper), tmp_path) == ["x"]


def test_as_many_layers_as_docker_allows_fit_into_one_mount(store, tmp_path):
    record = install(store, *(tar_of(file(f"f{number}")) for number in range(127)))
    assert len(merged(store, record, tmp_path)) == 127


def test_owners_modes_and_devices_are_kept(tmp_path):
    root = tmp_path / "layer"
    root.mkdir()
    capability = bytes.fromhex("0100000200200000000000000000000000000000").decode("utf-8", "surrogateescape")
    data = tar_of(
        folder("home", uid=1000, gid=1001, mode=0o2750),
        file("home/su", b"x", uid=1000, gid=1001, mode=0o6755),
        file("ping", b"x", pax_headers={"SCHILY.xattr.security.capability": capability}),
        ("link", tarfile.SYMTYPE, "home", {"uid": 5, "gid": 6}),
        ("null", tarfile.CHRTYPE, "", {"devmajor": 1, "devminor": 3, "mode": 0o666}),
        ("fifo", tarfile.FIFOTYPE, "", {"uid": 7}),
    )
    unpack_layer(io.BytesIO(data), root, (), Limits())
    home, su, null = (root / "home").stat(), (root / "home/su").stat(), (root / "null").stat()
    assert (home.st_uid, home.st_gid, stat.S_IMODE(home.st_mode)) == (1000, 1001, 0o2750)
    assert (su.st_uid, stat.S_IMODE(su.st_mode)) == (1000, 0o6755)
    assert len(os.getxattr(root / "ping", "security.capability")) == 20
    assert (root / "link").lstat().st_uid == 5
    assert (stat.S_ISCHR(null.st_mode), null.st_rdev, stat.S_IMODE(null.st_mode)) == (
        True,
        os.makedev(1, 3),
        0o666,
    )
    assert stat.S_ISFIFO((root / "fifo").stat().st_mode)


FULL_DISK = """
import asyncio, io, os, subprocess, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from machinery.clock import SystemClock
from runtime.cri import ImageFailure, RuntimeFailure
from runtime.images import commands
from runtime.images.service import LocalImages

disk, archive, small = map(Path, sys.argv[1:])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=True)
root = disk / "store"
commands.import_image(root, small, now=1.0)
for _ in range(2):
    try:
        commands.import_image(root, archive, now=1.0)
    except ImageFailure as failure:
        print(failure.reason, failure)
    assert [i.repo_tags for i in commands.list_images(root)] == [["docker.io/library/small:1"]]
    assert not [n for n in os.listdir(root / "ingest")]
    assert not [n for n in os.listdir(root / "layers") if n.endswith(".tmp")]

async def main():
    images = LocalImages(root, SystemClock())
    await images.start()
    await images.collect()
    before = os.statvfs(disk).f_bavail
    rootfs = await images.prepare("before", "small:1")
    filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(filler, bytes(4096)):
            pass
    except OSError:
        os.close(filler)
    try:
        await images.prepare("c", "small:1")
        print("prepared on a full disk")
    except RuntimeFailure as failure:
        print(failure.reason, failure)
        assert not os.path.exists(root / "containers" / "c")
    os.unlink(disk / "filler")
    assert (await images.prepare("c", "small:1")).lower == rootfs.lower
    await images.close()

asyncio.run(main())
"""


def saved(tmp_path, tag: str, content: bytes) -> Path:
    source = tmp_path / tag.replace(":", "-")
    source.mkdir()
    (source / "data").write_bytes(content)
    scratch = tmp_path / f"store-{source.name}"
    commands.build_image(scratch, tag, source, now=1.0)
    commands.export_image(scratch, tag, tmp_path / f"{source.name}.tar")
    return tmp_path / f"{source.name}.tar"


@pytest.mark.parametrize("megabytes", [4, 12])
def test_full_disk_is_told_and_leaves_the_store_whole(tmp_path, megabytes):
    """4 MB: the blob fits, the unpacked layer does not. 12 MB: not even the blob."""
    disk = tmp_path / "disk"
    disk.mkdir()
    small = saved(tmp_path, "small:1", b"x")
    big = saved(tmp_path, "big:1", os.urandom(megabytes << 20))
    lines = run_in_mount_namespace(FULL_DISK, str(disk), str(big), str(small)).splitlines()
    assert len(lines) == 3
    for line in lines[:2]:
        assert line.startswith("ErrImagePull")
        assert "no space left on the file system of" in line
    assert lines[2].startswith("CreateContainerError making the writable layer of c: no space left")


def test_store_on_a_real_overlay_is_refused(tmp_path):
    script = """
    import os, subprocess, sys
    from pathlib import Path
    sys.path.insert(0, os.getcwd())
    from runtime.cri import ImageFailure
    from runtime.images import commands
    base = Path(sys.argv[1])
    for name in ("lower", "upper", "work", "merged"):
        (base / name).mkdir()
    options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, base / "merged"], check=True)
    try:
        commands.open_store(base / "merged" / "store")
    except ImageFailure as failure:
        print(failure.reason, failure)
    """
    out = run_in_mount_namespace(script, str(tmp_path))
    assert out.startswith("ImageStoreUnusable")
    assert "is on overlay" in out


def test_layer_with_a_whiteout_for_nothing_is_refused(tmp_path):
    root = tmp_path / "layer"
    root.mkdir()
    for name in (".wh.", ".wh...", "d/.wh..."):
        with pytest.raises(ImageFailure, match="whiteout"):
            unpack_layer(io.BytesIO(tar_of(file(name))), root, (), Limits())
