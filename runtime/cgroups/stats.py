"""What a group has used: cpu time, memory, processes; and whether the kernel killed in it for memory.

Working set is usage without the file pages that can be dropped at once (total_inactive_file on v1,
inactive_file on v2), as cadvisor counts. A group that is gone counts as zero.
"""

from __future__ import annotations

from runtime.cgroups.layout import Layout


class Usage:
    __slots__ = ("cpu_ns", "memory_bytes", "pids", "rss_bytes", "working_set_bytes")

    def __init__(self, cpu_ns: int, memory_bytes: int, working_set_bytes: int, rss_bytes: int, pids: int):
        self.cpu_ns = cpu_ns
        self.memory_bytes = memory_bytes
        self.working_set_bytes = working_set_bytes
        self.rss_bytes = rss_bytes
        self.pids = pids


def read_usage(layout: Layout, group: str) -> Usage:
    if "memory" in layout.v1:
        memory_dir = layout.v1["memory"] + group
        usage = _number(f"{memory_dir}/memory.usage_in_bytes")
        stat = _table(f"{memory_dir}/memory.stat")
        inactive, rss = stat.get("total_inactive_file", 0), stat.get("total_rss", 0)
    else:
        memory_dir = layout.v2 + group
        usage = _number(f"{memory_dir}/memory.current")
        stat = _table(f"{memory_dir}/memory.stat")
        inactive, rss = stat.get("inactive_file", 0), stat.get("anon", 0)
    if "cpuacct" in layout.v1:
        cpu_ns = _number(f"{layout.v1['cpuacct']}{group}/cpuacct.usage")
    else:
        cpu_ns = _table(f"{layout.v2}{group}/cpu.stat").get("usage_usec", 0) * 1000
    pids = _number(f"{layout.v1.get('pids', layout.v2)}{group}/pids.current")
    return Usage(cpu_ns, usage, max(0, usage - inactive), rss, pids)


def read_oom_kills(layout: Layout, group: str) -> int:
    """How many processes of the group the kernel has killed for want of memory."""
    if "memory" in layout.v1:
        return _table(f"{layout.v1['memory']}{group}/memory.oom_control").get("oom_kill", 0)
    if layout.v2:
        return _table(f"{layout.v2}{group}/memory.events").get("oom_kill", 0)
    return 0


def read_throttled_ns(layout: Layout, group: str) -> int:
    """For how long the cpu quota has held the group back."""
    if "cpu" in layout.v1:
        return _table(f"{layout.v1['cpu']}{group}/cpu.stat").get("throttled_time", 0)
    return _table(f"{layout.v2}{group}/cpu.stat").get("throttled_usec", 0) * 1000


def _number(path: str) -> int:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _table(path: str) -> dict[str, int]:
    try:
        with open(path) as file:
            pairs = (line.split() for line in file)
            return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
    except (OSError, ValueError):
        return {}
