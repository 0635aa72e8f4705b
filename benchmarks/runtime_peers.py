"""Driver of crun and runc for runtime.py: `crun run` and `runc run` of a bundle like the one our runtime makes.

Lanes "crun joined" (the network, IPC and UTS namespaces are there, as for a container in a pod), "crun own-netns"
(made anew), "crun no-seccomp" (joined, without a filter); the same for runc.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.runtime import CGROUP
from runtime.images.build import find_static_busybox
from runtime.linux import capabilities, seccomp_default
from runtime.linux.constants import MS_BIND
from runtime.linux.syscalls import LinuxSyscalls
from runtime.oci.hidden_paths import MASKED_PATHS, READONLY_PATHS

_V2_CONTROLLERS = Path("/sys/fs/cgroup/unified/cgroup.controllers")


def make_rootfs(rootfs: Path) -> None:
    busybox = find_static_busybox()
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (rootfs / name).mkdir(parents=True, exist_ok=True)
    for name in ("resolv.conf", "hostname", "hosts", "passwd"):
        (rootfs / "etc" / name).touch()
    (rootfs / "bin/busybox").write_bytes(busybox.read_bytes())
    (rootfs / "bin/busybox").chmod(0o755)
    (rootfs / "bin/true").symlink_to("busybox")


def bundle_config(rootfs: Path, files: Path, kind: str) -> dict[str, Any]:
    """The OCI runtime spec of what runtime/oci composes for a container with limits."""
    caps = [f"CAP_{name}" for name in capabilities.DEFAULT]
    safe = ["nosuid", "noexec", "nodev"]
    joined: dict[str, str] = {} if kind == "own-netns" else {"network": "net", "ipc": "ipc", "uts": "uts"}
    namespaces = [{"type": name} for name in ("pid", "mount", "cgroup")]
    for name in ("network", "ipc", "uts"):
        path = {"path": f"/proc/{os.getpid()}/ns/{joined[name]}"} if joined else {}
        namespaces.append({"type": name, **path})
    binds = [
        {
            "destination": f"/etc/{name}",
            "type": "bind",
            "source": str(files / name),
            "options": ["rbind", "rprivate"],
        }
        for name in ("resolv.conf", "hostname", "hosts")
    ]
    linux: dict[str, Any] = {
        "namespaces": namespaces,
        "maskedPaths": list(MASKED_PATHS),
        "readonlyPaths": list(READONLY_PATHS),
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 64 << 20},
            "cpu": {"shares": 102},
            "pids": {"limit": 100},
        },
    }
    if kind != "no-seccomp":
        linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"] if os.uname().machine == "x86_64" else [],
            "syscalls": [{"names": [*seccomp_default.ALLOWED.split(), "clone"], "action": "SCMP_ACT_ALLOW"}],
        }
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=bench"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), caps),
            "noNewPrivileges": True,
        },
        "root": {"path": str(rootfs), "readonly": False},
        **({} if joined else {"hostname": "bench"}),
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": safe},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            },
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": safe},
            {
                "destination": "/dev/shm",
                "type": "bind",
                "source": str(files / "shm"),
                "options": ["rbind", "rprivate"],
            },
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*safe, "ro"]},
            {
                "destination": "/sys/fs/cgroup",
                "type": "cgroup",
                "source": "cgroup",
                "options": [*safe, "relatime", "ro"],
            },
            *binds,
        ],
        "linux": linux,
    }


def hide_v2_controllers(directory: Path) -> None:
    """crun takes any v2 controller in a hybrid tree for a v2 machine and refuses; ours is a private mount namespace."""
    if _V2_CONTROLLERS.exists():
        empty = directory / "no-controllers"
        empty.touch()
        LinuxSyscalls().mount(str(empty), str(_V2_CONTROLLERS), "", MS_BIND)


def run_once(program: str, bundle: Path, state: Path, number: int) -> float:
    name = f"kctl-bench-{os.getpid()}-{number}"
    command = [program, "--root", str(state), "run", "--bundle", str(bundle), name]
    started = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    took = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return took


def _cpu_s() -> float:
    """Of the peer and its containers; this driver's own does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    directory = Path(sys.argv[1]) / "peers"
    rootfs, files = directory / "rootfs", directory / "files"
    make_rootfs(rootfs)
    (files / "shm").mkdir(parents=True)
    for name in ("resolv.conf", "hostname", "hosts"):
        (files / name).touch()
    hide_v2_controllers(directory)
    number = 0
    for line in sys.stdin:
        job = json.loads(line)
        program, _, kind = job["lane"].partition(" ")
        bundle = directory / job["lane"].replace(" ", "-")
        bundle.mkdir(exist_ok=True)
        config = bundle_config(rootfs, files, kind)
        config["linux"]["cgroupsPath"] = f"{CGROUP}/{program}/c{number}"
        (bundle / "config.json").write_text(json.dumps(config))
        seconds = []
        before = _cpu_s()
        for _ in range(job["count"]):
            number += 1
            seconds.append(run_once(program, bundle, directory / f"state-{program}", number))
        print(json.dumps({"seconds": seconds, "cpu_s": _cpu_s() - before}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
