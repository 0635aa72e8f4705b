"""A node whose own root is a chroot: its containers see their image and nothing of the machine around it.

The tests that show so are those of every node; here they run once more, in a chroot made of this machine's own files
in a mount namespace that ends with them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from runtime_worlds import NEEDS_ROOT

pytestmark = [pytest.mark.node, NEEDS_ROOT]
ROOT = Path(__file__).parents[2]
AGAIN = (
    "tests/node/test_runtime_streams.py::test_exec_sees_the_containers_world",
    "tests/node/test_runtime_limits.py::test_container_reads_its_own_limits_in_its_cgroup_mount",
    "tests/node/test_runtime_network.py::test_pod_files_say_what_the_pod_was_given",
)


def test_node_in_a_chroot_keeps_its_containers_from_the_machine_around_it(tmp_path: Path) -> None:
    inside = tmp_path / "machine"
    inside.mkdir()
    pytest_again = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", *AGAIN]
    script = 'mount --make-rprivate / && mount --rbind / "$1" && cd "$1" && shift && exec chroot . "$@"'
    work = ["env", "-C", str(ROOT), *pytest_again]
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(inside), *work],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-1000:]
    assert f"{len(AGAIN)} passed" in ended.stdout
