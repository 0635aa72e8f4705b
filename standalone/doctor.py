"""`kctl doctor`: what this machine must offer, one check a function, each with its cause and its cure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`cure` is a command or a sentence; empty where all is well."""

    check: str
    level: Level
    detail: str
    cure: str = ""


def _install(package: str) -> str:
    for tool in ("apt-get", "dnf"):
        if shutil.which(tool):
            return f"{tool} install -y {package}"
    return f"install {package} with this system's package manager"


def check_root() -> Finding:
    if os.geteuid() == 0:
        return Finding("root", "ok", "running as root")
    return Finding(
        "root",
        "error",
        f"running as user {os.geteuid()}: namespaces, cgroups and mounts need root",
        "sudo kctl up, or kctl up --fake-runtime for simulated containers",
    )


def _check_program(program: str, package: str, why: str) -> Finding:
    found = shutil.which(program)
    if found:
        return Finding(program, "ok", found)
    return Finding(program, "error", f"not found: {why}", _install(package))


def check_ip() -> Finding:
    return _check_program("ip", "iproute2", "it sets up the nodes' network namespaces")


def check_nft() -> Finding:
    return _check_program("nft", "nftables", "it translates addresses of pods, host ports and services")


def check_busybox() -> Finding:
    found = shutil.which("busybox")
    if found:
        return Finding("busybox", "ok", found)
    return Finding(
        "busybox", "warning", "not found: the demo's image is built from it", _install("busybox-static")
    )


def check_namespaces() -> Finding:
    needed = ("mnt", "net", "pid", "ipc", "uts", "cgroup")
    missing = [name for name in needed if not Path(f"/proc/self/ns/{name}").exists()]
    if missing:
        return Finding(
            "namespaces", "error", f"the kernel has no {', '.join(missing)} namespaces", "use another kernel"
        )
    return Finding("namespaces", "ok", ", ".join(needed))


def check_filesystem_overlay() -> Finding:
    known = Path("/proc/filesystems").read_text()
    if "\toverlay\n" in known:
        return Finding("overlayfs", "ok", "known to the kernel")
    return Finding("overlayfs", "error", "the kernel does not know it", "modprobe overlay")


def check_cgroups() -> Finding:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    kinds = {fields[2] for fields in mounts if fields[1].startswith("/sys/fs/cgroup")}
    if kinds == {"cgroup2"}:
        return Finding("cgroups", "ok", "v2")
    if "cgroup" in kinds:
        names = {field.rsplit("/", 1)[1] for _, field, kind, *_ in mounts if kind == "cgroup"}
        missing = [name for name in ("cpu", "memory", "pids") if not any(name in n.split(",") for n in names)]
        if missing:
            return Finding(
                "cgroups", "error", f"v1 without {', '.join(missing)}", "mount the missing controllers"
            )
        return Finding(
            "cgroups", "ok", "v1" + (" and an empty v2 tree (hybrid)" if "cgroup2" in kinds else "")
        )
    return Finding(
        "cgroups", "error", "no cgroup file system is mounted", "mount -t cgroup2 none /sys/fs/cgroup"
    )


def check_capabilities() -> Finding:
    status = Path("/proc/self/status").read_text()
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff")), 16)
    sys_admin, net_admin, sys_resource = 21, 12, 24
    lost = [
        name for name, bit in (("SYS_ADMIN", sys_admin), ("NET_ADMIN", net_admin)) if not effective >> bit & 1
    ]
    if lost:
        return Finding("capabilities", "error", f"without CAP_{', CAP_'.join(lost)}", "run as a full root")
    if not effective >> sys_resource & 1:
        return Finding(
            "capabilities",
            "warning",
            "no CAP_SYS_RESOURCE: negative oom_score_adj and raised hard limits are left out",
        )
    return Finding("capabilities", "ok", "complete")


def check_space(path: Path) -> Finding:
    while not path.exists():
        path = path.parent
    free_bytes = shutil.disk_usage(path).free
    text = f"{free_bytes / 2**30:.1f} GiB free at {path}"
    if free_bytes < 1 << 30:
        return Finding("disk", "warning", text, "free some space: images and logs need it")
    return Finding("disk", "ok", text)


def check_store_filesystem(path: Path) -> Finding:
    """Overlay cannot be the upper layer of another overlay."""
    while not path.exists():
        path = path.parent
    device = os.stat(path).st_dev
    best, kind = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, filesystem, *_ = line.split()
        if os.path.exists(target) and os.stat(target).st_dev == device and len(target) >= len(best):
            best, kind = target, filesystem
    if kind == "overlay":
        return Finding(
            "image store",
            "error",
            f"{path} lies on overlayfs, which cannot hold containers' writable layers",
            "set KCTL_HOME to a directory on a disk or tmpfs",
        )
    return Finding("image store", "ok", f"{path} lies on {kind or 'a file system'}")


def examine(home: Path) -> list[Finding]:
    """Every check, in the order a newcomer would mend things."""
    checks: Iterable[Callable[[], Finding]] = (
        check_root,
        check_ip,
        check_nft,
        check_namespaces,
        check_filesystem_overlay,
        check_cgroups,
        check_capabilities,
        lambda: check_space(home),
        lambda: check_store_filesystem(home),
        check_busybox,
    )
    return [check() for check in checks]
