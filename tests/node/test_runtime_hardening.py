"""What a container may not do, seen from inside: capabilities, seccomp, files, devices, users."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime_worlds import NEEDS_ROOT, World, run_native

from runtime.cri import (
    Device,
    Mount,
    Namespaces,
    RuntimeFailure,
    SandboxState,
    SeccompProfile,
    SecurityContext,
)

pytestmark = [pytest.mark.node, NEEDS_ROOT]
Run = Callable[[Any], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda body: run_native(body, tmp_path, seccomp_directory=str(tmp_path / "seccomp"))


async def output(world: World, script: str, **changes: Any) -> tuple[int, str]:
    """(exit code, everything printed) of a shell script in a container of its own."""
    sandbox = await world.sandbox(**changes.pop("sandbox", {}))
    container = await world.start(sandbox, "sh", "-c", f"exec 2>&1; {script}", **changes)
    ended = await world.ended(container)
    return ended.exit_code, world.printed(ended)


STATUS = "grep -E 'Cap(Prm|Eff|Bnd|Inh|Amb)|NoNewPrivs|Seccomp:' /proc/self/status | tr '\\t' ' '"


def test_default_container_has_the_default_capabilities_and_filter(run: Run) -> None:
    async def body(world: World) -> None:
        _, text = await output(world, STATUS)
        assert text.splitlines() == [
            "CapInh: 0000000000000000",
            "CapPrm: 00000000a80425fb",
            "CapEff: 00000000a80425fb",
            "CapBnd: 00000000a80425fb",
            "CapAmb: 0000000000000000",
            "NoNewPrivs: 1",
            "Seccomp: 2",
        ]

    run(body)


def test_capabilities_are_added_and_dropped(run: Run) -> None:
    async def body(world: World) -> None:
        security = SecurityContext(drop_capabilities=("ALL",), add_capabilities=("NET_BIND_SERVICE",))
        _, text = await output(world, STATUS, security=security)
        assert "CapEff: 0000000000000400" in text and "CapBnd: 0000000000000400" in text
        code, _ = await output(world, "chown 5 /tmp", security=security)
        assert code != 0

    run(body)


def test_unknown_capability_is_a_config_error(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        with pytest.raises(RuntimeFailure, match="NO_SUCH") as refused:
            await world.start(sandbox, "true", security=SecurityContext(add_capabilities=("NO_SUCH",)))
        assert refused.value.reason == "CreateContainerConfigError"

    run(body)


def test_seccomp_refuses_new_namespaces_and_mounts_where_capabilities_would_allow(run: Run) -> None:
    async def body(world: World) -> None:
        code, text = await output(world, "unshare -U true")  # needs no capability
        assert code != 0 and "Operation not permitted" in text
        unconfined = SecurityContext(seccomp=SeccompProfile("Unconfined"))
        code, _ = await output(world, "unshare -U true", security=unconfined)
        assert code == 0
        code, _ = await output(world, "grep -q 'Seccomp:.0' /proc/self/status", security=unconfined)
        assert code == 0

    run(body)


def test_localhost_seccomp_profile_is_compiled_and_applied(run: Run, tmp_path: Path) -> None:
    (tmp_path / "seccomp").mkdir()
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
        ],
    }
    (tmp_path / "seccomp/no-mkdir.json").write_text(json.dumps(profile))

    async def body(world: World) -> None:
        security = SecurityContext(seccomp=SeccompProfile("Localhost", "no-mkdir.json"))
        code, text = await output(world, "mkdir /tmp/x", security=security)
        assert code != 0 and "not supported" in text
        for bad in ("missing.json", "../../etc/passwd"):
            with pytest.raises(RuntimeFailure) as refused:
                security = SecurityContext(seccomp=SeccompProfile("Localhost", bad))
                await world.start(await world.sandbox(), "true", security=security)
            assert refused.value.reason == "CreateContainerConfigError"

    run(body)


def test_read_only_root_refuses_writes_but_mounts_stay_writable(run: Run, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()

    async def body(world: World) -> None:
        changes = {
            "security": SecurityContext(readonly_rootfs=True),
            "mounts": (Mount("/data", str(tmp_path / "volume")),),
        }
        code, text = await output(world, "echo x > /file", **changes)
        assert code != 0 and "Read-only file system" in text
        code, _ = await output(world, "echo x > /data/file && echo y > /dev/shm/z", **changes)
        assert code == 0
        assert (tmp_path / "volume/file").read_text() == "x\n"

    run(body)


def test_read_only_mount_refuses_writes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "one-file").write_text("content")

    async def body(world: World) -> None:
        mounts = (
            Mount("/data", str(tmp_path / "volume"), readonly=True),
            Mount("/data/deep/file", str(tmp_path / "one-file"), readonly=True),
        )
        (tmp_path / "volume/deep").mkdir()
        (tmp_path / "volume/deep/file").touch()
        code, text = await output(world, "cat /data/deep/file; echo x > /data/f", mounts=mounts)
        assert code != 0 and text.startswith("content") and "Read-only" in text

    run(body)


def test_image_link_cannot_lead_a_mount_out_of_the_root(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "volume").mkdir()

    async def body(world: World) -> None:
        images: Any = world.runtime.images
        (tmp_path / "images/lower/escape").symlink_to(outside)
        assert images is not None
        code, _ = await output(
            world, "echo x > /escape/sub/file", mounts=(Mount("/escape/sub", str(tmp_path / "volume")),)
        )
        assert code == 0
        assert (tmp_path / "volume/file").exists()
        assert list(outside.iterdir()) == []

    run(body)


def test_masked_and_read_only_paths_show_nothing_and_take_nothing(run: Run) -> None:
    async def body(world: World) -> None:
        _, text = await output(
            world,
            "wc -c < /proc/timer_list; ls /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/core_pattern; "
            "echo b > /proc/sysrq-trigger; echo 0 > /sys/kernel/profiling",
        )
        lines = text.splitlines()
        assert lines[:2] == ["0", "0"]
        assert len(lines) == 5 and all("Read-only" in line or "can't create" in line for line in lines[2:])

    run(body)


def test_device_made_by_a_container_opens_nothing(run: Run) -> None:
    async def body(world: World) -> None:
        code, text = await output(
            world, "mknod /tmp/disk b 254 0; mknod /dev/disk c 1 3; cat /tmp/disk /dev/disk"
        )
        assert code != 0 and text.count("Permission denied") == 2
        code, text = await output(
            world, "head -c 4 /dev/zero | wc -c; echo x > /dev/null; ls /dev | tr '\\n' ' '"
        )
        assert code == 0
        for name in (
            "null",
            "zero",
            "full",
            "random",
            "urandom",
            "tty",
            "shm",
            "mqueue",
            "pts",
            "fd",
            "stdin",
        ):
            assert name in text.split()

    run(body)


def test_asked_for_device_is_there(run: Run) -> None:
    async def body(world: World) -> None:
        code, text = await output(
            world, "head -c 3 /dev/my-zero | wc -c", devices=(Device("/dev/my-zero", "/dev/zero"),)
        )
        assert (code, text) == (0, "3")

    run(body)


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (SecurityContext(run_as_user=1001), "uid=1001(app) gid=1002(app) groups=1002(app),3000(extra)"),
        (SecurityContext(run_as_username="app"), "uid=1001(app) gid=1002(app) groups=1002(app),3000(extra)"),
        (
            SecurityContext(run_as_user=1001, supplemental_groups_policy="Strict", supplemental_groups=(77,)),
            "uid=1001(app) gid=1002(app) groups=77,1002(app)",
        ),
        (
            SecurityContext(run_as_user=4242, run_as_group=4343, supplemental_groups=(50, 51)),
            "uid=4242 gid=4343 groups=50,51,4343",
        ),
    ],
)
def test_container_runs_as_the_user_it_was_given(run: Run, security: SecurityContext, expected: str) -> None:
    async def body(world: World) -> None:
        code, text = await output(
            world, "id; echo $HOME; grep CapEff /proc/self/status; echo ok > /dev/stdout", security=security
        )
        lines = text.splitlines()
        home = "/home/app" if security.run_as_user != 4242 else "/"
        assert code == 0
        assert _groups(lines[0]) == _groups(expected)
        assert lines[1:] == [home, "CapEff:\t0000000000000000", "ok"]

    run(body)


def _groups(text: str) -> tuple[str, str, set[str]]:
    uid, gid, groups = text.split()
    return uid, gid, set(groups.removeprefix("groups=").split(","))


def test_unknown_user_name_fails_the_start_with_its_name(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox()
        with pytest.raises(RuntimeFailure, match="unable to find user nobody-here"):
            await world.start(sandbox, "true", security=SecurityContext(run_as_username="nobody-here"))
        (failed,) = await world.runtime.list_containers()
        assert (failed.exit_code, failed.reason) == (128, "StartError")

    run(body)


def test_host_is_out_of_sight(run: Run) -> None:
    async def body(world: World) -> None:
        _, text = await output(world, "echo $$; ls /proc | grep -c '^[0-9]'; hostname; ls /")
        lines = text.splitlines()
        assert lines[0] == "1" and int(lines[1]) <= 4
        assert lines[2].startswith("pod-")
        assert "work" not in lines and ".oldroot" not in lines

    run(body)


def test_shared_pid_namespace_shows_the_pods_processes(run: Run) -> None:
    async def body(world: World) -> None:
        sandbox = await world.sandbox(namespaces=Namespaces(pid="POD"))
        first = await world.start(sandbox, "sleep", "4321")
        seen = await world.start(sandbox, "sh", "-c", "ps; echo $$", log_path="main/1.log", name="two")
        text = world.printed(await world.ended(seen))
        assert "sleep 4321" in text and not text.endswith("\n1")
        first_process = next(line for line in text.splitlines() if line.split()[0] == "1")
        assert first_process.split()[-1] == "pause"
        await world.runtime.remove_container(first)

    run(body)


def test_privileged_container_may_do_what_others_may_not(run: Run) -> None:
    async def body(world: World) -> None:
        security = SecurityContext(privileged=True)
        code, text = await output(
            world,
            "mount -t tmpfs t /tmp && grep -q 'Seccomp:.0' /proc/self/status && echo 1 > /proc/sys/net/ipv4/ip_forward",
            security=security,
        )
        assert (code, text) == (0, "")

    run(body)


def test_rlimits_are_set_and_what_the_host_refuses_is_bounded(run: Run) -> None:
    async def body(world: World) -> None:
        security = SecurityContext(
            rlimits={"RLIMIT_NOFILE": (512, 1024), "RLIMIT_CORE": (0, 0), "RLIMIT_STACK": (-1, -1)}
        )
        code, text = await output(world, "ulimit -n; ulimit -H -n; ulimit -c", security=security)
        assert (code, text.split()) == (0, ["512", "1024", "0"])

    run(body)


def test_lower_oom_score_is_refused_with_grace(run: Run) -> None:
    async def body(world: World) -> None:
        from runtime.cri import LinuxResources

        code, _ = await output(world, "true", resources=LinuxResources(oom_score_adj=-997))
        assert code == 0
        _, text = await output(
            world, "cat /proc/self/oom_score_adj", resources=LinuxResources(oom_score_adj=1000)
        )
        assert text == "1000"

    run(body)


def test_what_the_host_refuses_is_said_of_the_container(run: Run) -> None:
    """Told whether or not this host refuses: a warning stands exactly where the wish was not granted."""

    async def body(world: World) -> None:
        from runtime.cri import LinuxResources

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        container = await world.start(
            await world.sandbox(),
            "sh",
            "-c",
            "ulimit -H -n; cat /proc/self/oom_score_adj",
            security=SecurityContext(rlimits={"RLIMIT_NOFILE": (most + 1, most + 1)}),
            resources=LinuxResources(oom_score_adj=-997, hugepage_limits={"2Mi": 0}),
        )
        limit, score = world.printed(ended := await world.ended(container)).split()
        told = " ".join(ended.warnings)
        assert ("RLIMIT_NOFILE" in told) == (int(limit) == most)
        assert ("oom_score_adj -997 is refused" in told) == (int(score) != -997)
        assert ("hugepages-2Mi is not enforced" in told) == (not world.runtime.layout.has("hugetlb"))
        plain = await world.start(await world.sandbox(), "true")
        assert (await world.ended(plain)).warnings == ()

    run(body)


def test_cgroup_files_are_read_only_inside_and_stay_writable_on_the_host(run: Run) -> None:
    async def body(world: World) -> None:
        code, text = await output(
            world, "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do [ ! -d $d ] || mkdir $d/x; done; echo done"
        )
        assert code == 0 and text.count("Read-only file system") == text.count("mkdir:") > 0
        assert (await world.sandbox()).state is SandboxState.READY  # its groups could be made

    run(body)


def test_namespaced_sysctl_is_set_and_an_unknown_one_named(run: Run) -> None:
    async def body(world: World) -> None:
        _, text = await output(
            world,
            "cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced",
            sandbox={"sysctls": {"net.ipv4.ip_local_port_range": "2000 3000", "kernel.shm_rmid_forced": "1"}},
        )
        assert text.split() == ["2000", "3000", "1"]
        with pytest.raises(RuntimeFailure, match=r"net\.no\.such"):
            await world.sandbox(sysctls={"net.no.such": "1"})
        assert len(await world.runtime.list_pod_sandboxes()) == 1

    run(body)
