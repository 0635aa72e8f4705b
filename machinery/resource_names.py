"""What kind of resource a name stands for: `cpu`, `hugepages-2Mi`, `example.com/dongle`.

Source: Kubernetes "Extended Resources", "Manage HugePages"; upstream's helpers of the same names.
"""

from __future__ import annotations

from machinery import names

HUGEPAGES = "hugepages-"


def is_huge(name: str) -> bool:
    return name.startswith(HUGEPAGES)


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource that is counted in whole units and advertised by a device plugin or by hand."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified_name(f"requests.{name}")


def is_overcommittable(name: str) -> bool:
    return is_native(name) and not is_huge(name)
