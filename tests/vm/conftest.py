"""Real machines for tests: only where `make vm-test` asks for them, for each takes seconds to boot."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools/vm"))
from vm_image import Image, Unavailable, check_host, ensure_image, project_disk


def _why_not() -> str:
    if os.environ.get("KCTL_VM_TESTS") != "1":
        return "boots virtual machines: `make vm-test` runs it"
    try:
        check_host()
    except Unavailable as why:
        return str(why)
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    why = _why_not()
    for item in items:
        if item.path.is_relative_to(here) and why:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def vm_image() -> Image:
    return ensure_image()


@pytest.fixture(scope="session")
def vm_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    disk = project_disk(tmp_path_factory.mktemp("vm") / "project.img")
    yield disk
    disk.unlink()
