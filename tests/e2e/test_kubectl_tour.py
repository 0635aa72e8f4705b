"""Unmodified kubectl against our cluster: every chapter of tour/ is a transcript that must come true.

The expected texts are those of kubectl against upstream's server. A chapter runs in a namespace of its
own, in which it starts; `tour/native/` needs real containers.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transcript import parse, run

HERE = Path(__file__).parent / "tour"
CHAPTERS = sorted(HERE.glob("*.txt"))
NATIVE_CHAPTERS = sorted((HERE / "native").glob("*.txt"))


def tour(cluster, chapter: Path) -> None:
    namespace = f"tour-{chapter.stem}"
    directory = cluster.scratch / namespace
    directory.mkdir()
    cluster.kubectl("create", "namespace", namespace).checked()
    try:
        environment = cluster.environment(cluster.kubeconfig_for(namespace))
        steps = parse(chapter.read_text())
        wrong = [found for step in steps if (found := run(step, directory, environment))]
        report = "\n\n".join(map(str, wrong))
        assert not wrong, (
            f"{len(wrong)} of {len(steps)} commands went otherwise in {chapter.name}\n\n{report}"
        )
    finally:
        shutil.rmtree(directory)
        cluster.kubectl("delete", "namespace", namespace, "--timeout=20s").checked()


@pytest.mark.kubectl
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_on_fake_runtime_goes_as_written(needs_kubectl, cluster, chapter):
    tour(cluster, chapter)


@pytest.mark.kubectl
@pytest.mark.node
@pytest.mark.parametrize("chapter", NATIVE_CHAPTERS, ids=lambda path: path.stem)
def test_chapter_on_real_containers_goes_as_written(needs_kubectl, native_cluster, chapter):
    tour(native_cluster, chapter)


def test_the_tour_holds_at_least_sixty_commands_of_kubectl():
    steps = [step for chapter in CHAPTERS + NATIVE_CHAPTERS for step in parse(chapter.read_text())]
    assert sum("kubectl " in step.command for step in steps) >= 60
