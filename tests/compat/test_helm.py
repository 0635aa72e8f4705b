"""The real Helm against a cluster of processes: every chapter of helm/ is a transcript that must come true, in a namespace
of its own and with configuration, cache and plugins of its own. The chart is charts/shop.

Helm comes with the development dependencies on Linux x86_64; elsewhere the tests are skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from transcript import parse, run

HERE = Path(__file__).parent
CHAPTERS = sorted((HERE / "helm").glob("*.txt"))
BESIDE_PYTHON = Path(sys.executable).with_name("helm")


@pytest.fixture(scope="module")
def helm_program() -> Path:
    if not BESIDE_PYTHON.exists():
        pytest.skip("there is no helm beside this Python: the package helm-binary has none for this machine")
    return BESIDE_PYTHON


@pytest.mark.kubectl
@pytest.mark.timeout(180)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_helm_goes_as_written(chapter, helm_program, compat_cluster, tmp_path):
    namespace = f"helm-{chapter.stem}"
    compat_cluster.kubectl("create", "namespace", namespace).checked()
    environment = compat_cluster.environment(compat_cluster.kubeconfig_for(namespace))
    environment |= {
        "PATH": f"{helm_program.parent}:{environment['PATH']}",
        "HOME": str(tmp_path),
        "CHARTS": str(HERE / "charts"),
    }
    steps = parse(chapter.read_text())
    wrong = [found for step in steps if (found := run(step, tmp_path, environment))]
    report = "\n\n".join(map(str, wrong))
    assert not wrong, f"{len(wrong)} of {len(steps)} commands went otherwise in {chapter.name}\n\n{report}"
