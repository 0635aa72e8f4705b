"""Kernel files that a container does not see, or does not change, unless its pod asks for them.

The lists of Docker and containerd. Used by both sides: the agent puts them into a spec, the spawner hides those
below /proc ahead of a start. No imports: every container is a fork of a process that has loaded this.
"""

from __future__ import annotations

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
