"""Layouts of three kinds of hosts, the writes for each, and the v2 tree on a temporary directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cgroups.layout import Layout, plan_layout
from runtime.cgroups.plan import needed_controllers, plan_warnings, plan_writes, weight_of_shares
from runtime.cgroups.stats import read_oom_kills, read_throttled_ns, read_usage
from runtime.cgroups.tree import CgroupTree
from runtime.cri import LinuxResources

V1 = """\
30 25 0:26 / /sys/fs/cgroup rw - tmpfs cgroup rw
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
"""
UNIFIED = "35 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n"
V2 = "30 25 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
LAYOUT_V1 = plan_layout(V1, "")
LAYOUT_V2 = plan_layout(V2, "cpuset cpu io memory hugetlb pids")


def test_v1_host_uses_its_hierarchies() -> None:
    assert LAYOUT_V1.mode == "v1"
    assert LAYOUT_V1.v1["cpu"] == LAYOUT_V1.v1["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct"
    assert "cpuset" not in LAYOUT_V1.v1 and not LAYOUT_V1.v2


def test_v2_host_uses_the_tree() -> None:
    assert LAYOUT_V2.mode == "v2"
    assert LAYOUT_V2.v2 == "/sys/fs/cgroup"
    assert LAYOUT_V2.v2_controllers == ("cpu", "memory", "pids", "cpuset", "hugetlb")


def test_hybrid_host_takes_each_controller_from_where_it_is() -> None:
    empty = plan_layout(V1 + UNIFIED, "hugetlb")
    assert empty.mode == "v1"
    mixed = plan_layout(V1 + UNIFIED, "hugetlb cpuset")
    assert mixed.mode == "hybrid" and mixed.v2_controllers == ("cpuset", "hugetlb")
    writes = plan_writes(mixed, LinuxResources(cpuset_cpus="1", pids_limit=5))
    assert writes == [("pids", "pids.max", "5"), ("cpuset", "cpuset.cpus", "1")]


RESOURCES = LinuxResources(
    cpu_period_us=100_000, cpu_quota_us=50_000, cpu_shares=1024, memory_limit_bytes=1 << 20, pids_limit=9
)


def test_writes_for_v1_hold_limits_and_swap() -> None:
    assert plan_writes(LAYOUT_V1, RESOURCES) == [
        ("cpu", "cpu.shares", "1024"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("memory", "memory.limit_in_bytes", "1048576"),
        ("memory", "memory.memsw.limit_in_bytes", "1048576"),
        ("pids", "pids.max", "9"),
    ]


def test_writes_for_v2_hold_limits_and_kill_the_group_together() -> None:
    assert plan_writes(LAYOUT_V2, RESOURCES) == [
        ("cpu", "cpu.weight", "39"),
        ("cpu", "cpu.max", "50000 100000"),
        ("memory", "memory.max", "1048576"),
        ("memory", "memory.swap.max", "0"),
        ("memory", "memory.oom.group", "1"),
        ("pids", "pids.max", "9"),
    ]
    pod = plan_writes(LAYOUT_V2, RESOURCES, is_container=False)
    assert ("memory", "memory.oom.group", "1") not in pod


def test_nothing_set_writes_nothing_that_limits() -> None:
    assert plan_writes(LAYOUT_V1, LinuxResources()) == []
    assert plan_writes(LAYOUT_V2, LinuxResources(), is_container=False) == []
    assert plan_writes(LAYOUT_V2, LinuxResources(cpu_quota_us=-1), is_container=False) == [
        ("cpu", "cpu.max", "max 100000")
    ]


@pytest.mark.parametrize(("shares", "weight"), [(0, 0), (2, 1), (1024, 39), (262144, 10000), (999999, 10000)])
def test_shares_become_weights(shares: int, weight: int) -> None:
    assert weight_of_shares(shares) == weight


def test_cpuset_is_joined_only_where_it_is_asked_for() -> None:
    layout = Layout({c: f"/cg/{c}" for c in ("cpu", "cpuacct", "memory", "pids", "cpuset")})
    assert "cpuset" not in needed_controllers(layout, LinuxResources())
    assert "cpuset" in needed_controllers(layout, LinuxResources(cpuset_cpus="0"))
    assert needed_controllers(LAYOUT_V2, LinuxResources(cpuset_cpus="0")) == []


@pytest.fixture
def v2_tree(tmp_path: Path) -> CgroupTree:
    return CgroupTree(Layout({}, str(tmp_path), ("cpu", "memory", "pids")))


def _kernel_files(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).touch()


def test_v2_group_is_made_with_controllers_passed_down(v2_tree: CgroupTree, tmp_path: Path) -> None:
    _kernel_files(tmp_path, "cgroup.subtree_control")
    (tmp_path / "kctl").mkdir()
    _kernel_files(tmp_path / "kctl", "cgroup.subtree_control")
    v2_tree.create("/kctl/pod")
    v2_tree.create("/kctl/pod")
    assert (tmp_path / "kctl/pod").is_dir()
    for parent in (tmp_path, tmp_path / "kctl"):
        assert (parent / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_v2_writes_go_to_the_groups_files_and_optional_ones_may_lack(
    v2_tree: CgroupTree, tmp_path: Path
) -> None:
    (tmp_path / "pod").mkdir()
    _kernel_files(tmp_path / "pod", "memory.max", "pids.max")
    writes = [("memory", "memory.max", "5"), ("memory", "memory.swap.max", "0"), ("pids", "pids.max", "3")]
    v2_tree.write("/pod", writes)
    assert (tmp_path / "pod/memory.max").read_text() == "5"
    with pytest.raises(OSError, match=r"cpu\.max"):
        v2_tree.write("/pod", [("cpu", "cpu.max", "max 100000")])


def test_v2_accounts_are_read(v2_tree: CgroupTree, tmp_path: Path) -> None:
    group = tmp_path / "pod"
    group.mkdir()
    (group / "memory.current").write_text("1000\n")
    (group / "memory.stat").write_text("anon 300\ninactive_file 400\n")
    (group / "cpu.stat").write_text("usage_usec 7\nthrottled_usec 2\n")
    (group / "pids.current").write_text("4\n")
    (group / "memory.events").write_text("oom 2\noom_kill 1\n")
    usage = read_usage(v2_tree.layout, "/pod")
    assert (usage.memory_bytes, usage.working_set_bytes, usage.rss_bytes) == (1000, 600, 300)
    assert (usage.cpu_ns, usage.pids) == (7000, 4)
    assert read_oom_kills(v2_tree.layout, "/pod") == 1
    assert read_throttled_ns(v2_tree.layout, "/pod") == 2000
    gone = read_usage(v2_tree.layout, "/none")
    assert (gone.memory_bytes, gone.cpu_ns, gone.pids) == (0, 0, 0)


def test_removal_works_twice_and_tells_what_stays(v2_tree: CgroupTree, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert not v2_tree.remove("/a")
    assert v2_tree.remove_tree("/a")
    assert v2_tree.remove("/a")


def test_v2_join_is_by_handle(v2_tree: CgroupTree, tmp_path: Path) -> None:
    import os

    (tmp_path / "pod").mkdir()
    handle = v2_tree.open_v2("/pod")
    assert os.readlink(f"/proc/self/fd/{handle}") == str(tmp_path / "pod")
    os.close(handle)
    assert v2_tree.open_procs("/pod", ()) == []
    assert CgroupTree(LAYOUT_V1).open_v2("/pod") == -1


HUGE = LinuxResources(hugepage_limits={"2Mi": 4 << 20, "1Gi": 0})
HUGETLB_V1 = "36 30 0:32 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n"


def test_huge_pages_are_bounded_where_the_controller_is() -> None:
    v1 = plan_layout(V1 + HUGETLB_V1, "")
    assert plan_writes(v1, HUGE) == [
        ("hugetlb", "hugetlb.1GB.limit_in_bytes", "0"),
        ("hugetlb", "hugetlb.2MB.limit_in_bytes", "4194304"),
    ]
    assert "hugetlb" in needed_controllers(v1, HUGE)
    assert "hugetlb" not in needed_controllers(v1, RESOURCES)
    assert ("hugetlb", "hugetlb.2MB.max", "4194304") in plan_writes(LAYOUT_V2, HUGE)
    assert not plan_warnings(v1, HUGE) and not plan_warnings(LAYOUT_V2, HUGE)


def test_huge_pages_that_cannot_be_bounded_are_warned_about() -> None:
    assert plan_writes(LAYOUT_V1, HUGE) == []
    warnings = plan_warnings(LAYOUT_V1, HUGE)
    assert [w.split()[3] for w in warnings] == ["hugepages-1Gi", "hugepages-2Mi"]
    assert all("no hugetlb cgroup controller" in w for w in warnings)
    assert not plan_warnings(LAYOUT_V1, RESOURCES)
