"""Capabilities by name, and the set a container gets.

Names are given without CAP_, as in a pod's securityContext. The default set is the one of Docker and
containerd. Source: capability.h; the CRI's rule for add and drop ("ALL" first, then single names).
"""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
)
_DEFAULT = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE "
    "SYS_CHROOT KILL AUDIT_WRITE"
)
NAMES = tuple(_NAMES.split())
DEFAULT = tuple(_DEFAULT.split())
BITS = {name: bit for bit, name in enumerate(NAMES)}
ALL = (1 << len(NAMES)) - 1


class UnknownCapability(ValueError):
    """A name that this table does not have."""


def mask_of(names: Iterable[str]) -> int:
    """Bits of names; `CAP_` in front and lower case are understood, ALL is every bit."""
    mask = 0
    for name in names:
        plain = name.upper().removeprefix("CAP_")
        if plain == "ALL":
            return ALL
        if plain not in BITS:
            raise UnknownCapability(f'unknown capability "{name}"')
        mask |= 1 << BITS[plain]
    return mask


def names_of(mask: int) -> list[str]:
    return [name for name, bit in BITS.items() if mask >> bit & 1]


def plan_capabilities(add: Iterable[str], drop: Iterable[str], *, privileged: bool = False) -> int:
    """The bounding, permitted and effective set: ALL is applied first, then added names, then dropped ones."""
    if privileged:
        return ALL
    add, drop = [n.upper().removeprefix("CAP_") for n in add], [n.upper().removeprefix("CAP_") for n in drop]
    mask = mask_of(DEFAULT)
    if "ALL" in add:
        mask = ALL
    if "ALL" in drop:
        mask = 0
    mask |= mask_of(name for name in add if name != "ALL")
    return mask & ~mask_of(name for name in drop if name != "ALL")
