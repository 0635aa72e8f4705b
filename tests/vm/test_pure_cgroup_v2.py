"""The tests that need a kernel, on one with nothing but cgroup v2: in a machine of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from vm_image import Image
from vm_machine import Machine

SUITE_TIMEOUT_S = 900


@pytest.mark.timeout(1200)
def test_node_suite_passes_without_any_cgroup_v1_hierarchy(
    vm_image: Image, vm_disk: Path, tmp_path: Path
) -> None:
    with Machine(vm_image, vm_disk, tmp_path, "node-suite", life_s=SUITE_TIMEOUT_S + 200) as machine:
        machine.wait_booted()
        assert machine.shell("awk '$3 == \"cgroup\"' /proc/self/mounts") == ""
        command = "python3 -m pytest -p no:cacheprovider --timeout 180 tests/node"
        done = machine.run("sh", "-c", command, timeout_s=SUITE_TIMEOUT_S)
        print(done.output[-4000:])
        assert done.code == 0, done.output[-20000:]
        assert "make vm-test" not in done.output  # what is for pure cgroup v2 was not skipped
