"""The order of mounts, on recorded system calls: host handles first, then the root, then the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from recording_syscalls import RecordingSyscalls

from runtime.linux import capabilities
from runtime.linux.constants import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_REC,
    MS_SLAVE,
)
from runtime.oci.hidden_paths import MASKED_PATHS, READONLY_PATHS
from runtime.spawner import rootfs
from runtime.spawner.child import USUAL_CAPS, may_be_ahead


@pytest.fixture
def spec(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "volume").mkdir()
    return {
        "mounts": [{"source": str(tmp_path / "volume"), "target": "/data", "readonly": True}],
        "devices": [{"host": "/dev/fuse", "path": "/dev/fuse"}],
        "rootfs": {"lower": ["/a", "/b:c"], "upper": "/u", "work": "/w"},
        "masked": [],
        "readonly": [],
        "readonly_rootfs": True,
        "controllers": [],
    }


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any]) -> RecordingSyscalls:
    """No real directory is touched: what the child would do to its own root is left out."""
    for name in ("chdir", "fchdir", "mkdir", "symlink", "makedirs", "close"):
        monkeypatch.setattr(os, name, lambda *args, **kwargs: None)
    monkeypatch.setattr(os.path, "isdir", lambda path: True)
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    monkeypatch.setattr(os, "open", lambda *args, **kwargs: 99)
    return RecordingSyscalls()


def inherited(calls: RecordingSyscalls) -> int:
    """How the mounts of the host are taken over."""
    return next(int(call[4]) for call in calls.calls if call[:3] == ("mount", "", "/"))


def build(calls: RecordingSyscalls, spec: dict[str, Any]) -> None:
    """All steps in the order of a child that was not cloned ahead."""
    handles = rootfs.open_sources(calls, spec)
    shares, hides = rootfs.shares_mounts(spec), rootfs.hides_usual(spec)
    staged = rootfs.stage(calls, "/stage", shares=shares, hides=hides)
    rootfs.enter(calls, spec, "/mnt", staged, handles)
    rootfs.finish(calls, spec, staged)


def test_host_is_opened_before_it_is_left_and_volumes_are_placed_after(
    calls: RecordingSyscalls, spec: dict[str, Any]
) -> None:
    build(calls, spec)
    names = calls.names()
    assert inherited(calls) == MS_REC | MS_PRIVATE
    assert max(i for i, n in enumerate(names) if n == "open_tree") < names.index("pivot_root")
    assert min(i for i, n in enumerate(names) if n == "move_mount") > names.index("pivot_root")
    placed = [call[1] for call in calls.calls if call[0] == "move_mount"]
    assert placed == ["/proc", "/dev", "/dev/fuse", "/data"]
    assert names.index("umount2") < [i for i, n in enumerate(names) if n == "move_mount"][2]


def test_overlay_takes_every_layer_with_separators_escaped(
    calls: RecordingSyscalls, spec: dict[str, Any]
) -> None:
    build(calls, spec)
    (overlay,) = [call for call in calls.calls if call[:4:3] == ("mount", "overlay")]
    assert overlay[5] == "lowerdir=/a:/b\\:c,upperdir=/u,workdir=/w"


def test_many_layers_are_named_relative_to_their_directory(
    calls: RecordingSyscalls, spec: dict[str, Any]
) -> None:
    spec["rootfs"]["lower"] = [f"/store/layers/{'x' * 64}{i}" for i in range(60)]
    build(calls, spec)
    (overlay,) = [call for call in calls.calls if call[:4:3] == ("mount", "overlay")]
    assert len(overlay[5]) < 4096 + 200 and overlay[5].startswith(f"lowerdir={'x' * 64}0:")


def test_volumes_carry_no_devices_and_may_be_read_only(
    calls: RecordingSyscalls, spec: dict[str, Any]
) -> None:
    build(calls, spec)
    attributes = [call[2] for call in calls.calls if call[0] == "mount_setattr"]
    assert MOUNT_ATTR_NODEV in attributes and MOUNT_ATTR_RDONLY in attributes
    assert calls.calls[-1] == ("mount_setattr", "/", MOUNT_ATTR_RDONLY, False, 0)


def test_propagation_to_the_container_makes_the_root_a_slave(
    calls: RecordingSyscalls, spec: dict[str, Any]
) -> None:
    spec["mounts"][0]["propagation"] = "HOST_TO_CONTAINER"
    build(calls, spec)
    assert inherited(calls) == MS_REC | MS_SLAVE


def test_missing_source_is_told_with_both_paths(calls: RecordingSyscalls, spec: dict[str, Any]) -> None:
    spec["mounts"][0]["source"] = "/no/such"
    with pytest.raises(rootfs.MountError, match='"/no/such" to rootfs at "/data": no such file'):
        rootfs.open_sources(calls, spec)


def hidden(calls: RecordingSyscalls) -> list[str]:
    return [
        call[2]
        for call in calls.calls
        if call[0] == "mount" and call[2].startswith(("/proc/", "/stage/proc/"))
    ]


def test_usual_paths_of_proc_are_hidden_before_the_container_is_known_and_once(
    calls: RecordingSyscalls, spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "stat", lambda path: os.stat_result((0o040755, *[0] * 9)))
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((0,) * 10 + (0,)))
    spec["masked"], spec["readonly"] = [*MASKED_PATHS, "/proc/mine"], list(READONLY_PATHS)
    build(calls, spec)
    masks = hidden(calls)
    assert "/stage/proc/kcore" in masks and "/proc/kcore" not in masks
    assert "/stage/proc/sys" in masks and "/proc/sys" not in masks
    assert "/proc/mine" in masks
    assert ("mount", "tmpfs", "/sys/firmware") in [call[:3] for call in calls.calls]


def test_container_that_sees_more_of_proc_gets_a_stage_that_hides_nothing(
    calls: RecordingSyscalls, spec: dict[str, Any]
) -> None:
    spec["masked"], spec["readonly"] = ["/proc/kcore"], list(READONLY_PATHS)
    assert not rootfs.hides_usual(spec)
    staged = rootfs.stage(calls, "/stage", hides=rootfs.hides_usual(spec))
    assert not staged.hidden and not hidden(calls)


@pytest.mark.parametrize(
    ("change", "may"),
    [
        ({}, True),
        ({"pid": "POD"}, False),
        ({"masked": []}, False),
        ({"readonly": []}, False),
        ({"process": {"caps": USUAL_CAPS | 1 << capabilities.BITS["NET_ADMIN"]}}, False),
        ({"process": {"caps": 0}}, True),
        ({"mounts": [{"propagation": "BIDIRECTIONAL"}]}, False),
    ],
)
def test_child_made_ahead_takes_only_what_it_has_not_given_up(change: dict[str, Any], may: bool) -> None:
    usual = {
        "masked": MASKED_PATHS,
        "readonly": READONLY_PATHS,
        "mounts": [],
        "process": {"caps": USUAL_CAPS},
    }
    assert may_be_ahead({**usual, **change}) is may
