"""kubectl 1.20 against a cluster of processes: old_kubectl.txt is a transcript that must come true.

It is Debian 12's, which `tools/setup.sh test-packages` unpacks into .venv/kubectl-1.20; elsewhere KCTL_TEST_OLD_KUBECTL
names one, or the test is skipped. Its streams to real containers are in test_spdy_clients.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import old_kubectl
from transcript import parse, run


@pytest.mark.timeout(120)
def test_old_kubectl_goes_as_written(compat_cluster, tmp_path):
    program = old_kubectl()
    if program is None:
        pytest.skip("there is no kubectl 1.20: tools/setup.sh test-packages, or KCTL_TEST_OLD_KUBECTL")
    (tmp_path / ".bin").mkdir()
    (tmp_path / ".bin/kubectl").symlink_to(program)
    compat_cluster.run(program, "create", "namespace", "old-kubectl").checked()
    environment = compat_cluster.environment(compat_cluster.kubeconfig_for("old-kubectl"))
    environment |= {"PATH": f"{tmp_path}/.bin:{environment['PATH']}", "HOME": str(tmp_path)}
    steps = parse(Path(__file__).with_name("old_kubectl.txt").read_text())
    wrong = [found for step in steps if (found := run(step, tmp_path, environment))]
    report = "\n\n".join(map(str, wrong))
    assert not wrong, f"{len(wrong)} of {len(steps)} commands went otherwise\n\n{report}"
