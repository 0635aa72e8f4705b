"""The name under which this process is listed: as its command, and as its command line.

The kernel takes the command line from the process's own memory, where the arguments were laid when its program was
executed; a process that was only cloned shows the line of whoever cloned it until it writes there.
"""

from __future__ import annotations

import ctypes

# Fields of /proc/self/stat after the command, which may hold spaces and brackets; 48 and 49 in proc(5).
_ARG_START, _ARG_END = 48 - 3, 49 - 3


def call_process(name: str) -> None:
    """Cut where the first arguments were shorter. Raises OSError, ValueError where the kernel does not tell the place."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    if not 0 < start < end:
        raise ValueError("the kernel does not say where the arguments are")
    ctypes.memmove(start, name.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)
    with open("/proc/self/comm", "w") as file:
        file.write(name)
