"""Volumes on a real directory and on the memory file system: one suite for both."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from pathlib import PurePosixPath
from typing import Any

import pytest

from machinery.clock import SystemClock
from nodeagent.config import AgentConfig
from nodeagent.env import Sources
from nodeagent.files import UnsafePath
from nodeagent.files_linux import LinuxFiles
from nodeagent.files_memory import MemoryFiles
from nodeagent.hooks.atomic_writer import File, write_payload
from nodeagent.hooks.hook import TokenRef, VolumeContext, VolumeError
from nodeagent.hooks.table import BY_PLUGIN, BY_SOURCE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(params=["linux", "memory"])
def files(request: Any) -> Any:
    return LinuxFiles() if request.param == "linux" else MemoryFiles()


def context(
    files: Any, root: str, config_maps: Any = None, secrets: Any = None, **spec: Any
) -> VolumeContext:
    pod = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "main"}], **spec},
    }
    sources = Sources(config_map=(config_maps or {}).get, secret=(secrets or {}).get)
    config = AgentConfig("node-1", PurePosixPath(root))
    return VolumeContext(pod, config, files, SystemClock(), sources, {TokenRef("", 3600): "jwt"})


def set_up(ctx: VolumeContext, volume: Any) -> str:
    hook = BY_SOURCE[next(key for key in volume if key != "name")]
    return asyncio.run(hook.set_up(ctx, {"name": "v", **volume}))


def test_payload_is_swapped_as_one(files: Any, tmp_path: Any) -> None:
    directory, clock = f"{tmp_path}/vol", SystemClock()
    assert write_payload(files, directory, {"a": File(b"1"), "d/b": File(b"2", 0o600)}, clock)
    first = files.read_link(f"{directory}/..data")
    assert files.read_link(f"{directory}/a") == "..data/a"
    assert files.read(f"{directory}/..data/d/b") == b"2"
    assert not write_payload(files, directory, {"a": File(b"1"), "d/b": File(b"2", 0o600)}, clock)
    assert files.read_link(f"{directory}/..data") == first
    assert write_payload(files, directory, {"a": File(b"3")}, clock)
    assert files.read(f"{directory}/..data/a") == b"3"
    assert [name for name in files.list_dir(directory) if not name.startswith("..")] == ["a"]


def test_config_map_items_modes_and_updates(files: Any, tmp_path: Any) -> None:
    maps = {"cm": {"data": {"a": "1", "b": "2"}, "binaryData": {"c": base64.b64encode(b"\x00\xff").decode()}}}
    ctx = context(files, str(tmp_path), maps)
    whole = set_up(ctx, {"configMap": {"name": "cm"}})
    assert files.read(f"{whole}/..data/c") == b"\x00\xff"
    maps["cm"]["data"] = {"a": "9"}
    maps["cm"]["binaryData"] = {}
    assert set_up(ctx, {"configMap": {"name": "cm"}}) == whole
    assert files.read(f"{whole}/..data/a") == b"9" and not files.kind(f"{whole}/b")
    assert len([name for name in files.list_dir(whole) if name.startswith("..2")]) == 1
    with pytest.raises(VolumeError, match="non-existent config key: zzz"):
        set_up(ctx, {"configMap": {"name": "cm", "items": [{"key": "zzz", "path": "x"}]}})
    with pytest.raises(VolumeError, match='configmap "no" not found'):
        set_up(ctx, {"configMap": {"name": "no"}})
    assert files.list_dir(set_up(ctx, {"name": "w", "configMap": {"name": "no", "optional": True}})) != []


def test_secret_modes_are_exact(tmp_path: Any) -> None:
    secrets = {"s": {"data": {"k": base64.b64encode(b"x").decode(), "l": base64.b64encode(b"y").decode()}}}
    ctx = context(LinuxFiles(), str(tmp_path), secrets=secrets)
    items = [{"key": "k", "path": "deep/k", "mode": 0o400}, {"key": "l", "path": "l"}]
    path = set_up(ctx, {"secret": {"secretName": "s", "defaultMode": 0o440, "items": items}})
    assert stat.S_IMODE(os.stat(f"{path}/deep/k").st_mode) == 0o400
    assert stat.S_IMODE(os.stat(f"{path}/l").st_mode) == 0o440
    assert "/memory/" in path


@needs_root
def test_fs_group_owns_and_reads(tmp_path: Any) -> None:
    ctx = context(
        LinuxFiles(), str(tmp_path), {"cm": {"data": {"a": "1"}}}, securityContext={"fsGroup": 1234}
    )
    path = set_up(ctx, {"configMap": {"name": "cm", "defaultMode": 0o400}})
    found = os.stat(f"{path}/a")
    assert found.st_gid == 1234 and stat.S_IMODE(found.st_mode) == 0o440
    empty = set_up(ctx, {"name": "e", "emptyDir": {}})
    assert os.stat(empty).st_gid == 1234 and stat.S_IMODE(os.stat(empty).st_mode) == 0o2777


def test_projected_joins_its_sources(files: Any, tmp_path: Any) -> None:
    ctx = context(files, str(tmp_path), {"ca": {"data": {"ca.crt": "PEM"}}})
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    path = set_up(ctx, {"projected": {"sources": sources}})
    shown = {name: files.read(f"{path}/..data/{name}") for name in ("token", "ca.crt", "namespace")}
    assert shown == {"token": b"jwt", "ca.crt": b"PEM", "namespace": b"ns"}


@pytest.mark.parametrize(
    ("security", "shown"),
    [
        ({}, (0o644, 0, 0)),
        ({"fsGroup": 1234}, (0o640, 0, 1234)),
        ({"runAsUser": 1000}, (0o600, 1000, 0)),
        ({"runAsUser": 1000, "fsGroup": 1234}, (0o640, 1000, 1234)),
    ],
)
@needs_root
def test_token_is_for_the_pods_user_and_group_alone(tmp_path: Any, security: Any, shown: Any) -> None:
    ctx = context(LinuxFiles(), str(tmp_path), securityContext=security)
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    path = set_up(ctx, {"projected": {"sources": [token], "defaultMode": 0o644}})
    found = os.stat(f"{path}/token")
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == shown


def test_empty_dir_has_its_mode_and_goes(files: Any, tmp_path: Any) -> None:
    ctx = context(files, str(tmp_path))
    path = set_up(ctx, {"emptyDir": {}})
    files.write(f"{path}/x", b"data")
    assert set_up(ctx, {"emptyDir": {}}) == path and files.read(f"{path}/x") == b"data"
    hook = BY_PLUGIN["empty-dir"]
    for _ in range(2):
        asyncio.run(hook.tear_down(files, path))
    assert files.kind(path) == ""


def test_host_path_types(tmp_path: Any) -> None:
    ctx = context(LinuxFiles(), str(tmp_path / "data"))
    made = f"{tmp_path}/made"
    assert set_up(ctx, {"hostPath": {"path": made, "type": "DirectoryOrCreate"}}) == made
    assert os.path.isdir(made)
    set_up(ctx, {"hostPath": {"path": f"{made}/f", "type": "FileOrCreate"}})
    for type_, path in (("File", made), ("Directory", f"{made}/f"), ("Socket", f"{made}/no")):
        with pytest.raises(VolumeError, match="hostPath type check failed"):
            set_up(ctx, {"hostPath": {"path": path, "type": type_}})


@pytest.mark.parametrize("relative", ["../x", "/etc", "a/../../x"])
def test_sub_path_stays_in_its_volume(files: Any, tmp_path: Any, relative: str) -> None:
    files.make_dir(f"{tmp_path}/vol")
    with pytest.raises(UnsafePath):
        files.bind_beneath(f"{tmp_path}/vol", relative, f"{tmp_path}/target/0", create=True)


def test_sub_path_through_a_link_out_of_the_volume_is_refused(files: Any, tmp_path: Any) -> None:
    files.make_dir(f"{tmp_path}/vol")
    files.make_dir(f"{tmp_path}/outside")
    files.symlink(f"{tmp_path}/outside", f"{tmp_path}/vol/out")
    with pytest.raises(UnsafePath):
        files.bind_beneath(f"{tmp_path}/vol", "out", f"{tmp_path}/target/0", create=False)


@pytest.mark.node
@needs_root
def test_sub_path_and_tmpfs_are_mounted_and_taken_down(tmp_path: Any) -> None:
    from nodeagent.pod.volumes import tear_down_volumes

    files = LinuxFiles()
    ctx = context(files, str(tmp_path))
    path = set_up(ctx, {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    assert files.is_mount(path)
    assert os.statvfs(path).f_blocks * os.statvfs(path).f_frsize == 1 << 20
    target = f"{tmp_path}/pods/u/volume-subpaths/v/main/0"
    files.bind_beneath(path, "deep/er", target, create=True)
    with open(f"{target}/f", "w") as file:
        file.write("x")
    assert os.path.exists(f"{path}/deep/er/f") and files.is_mount(target)
    for _ in range(2):
        asyncio.run(tear_down_volumes(files, ctx.config, "u"))
    assert not os.path.exists(f"{tmp_path}/pods/u")
    with open("/proc/self/mountinfo") as mounts:
        assert str(tmp_path) not in mounts.read()
