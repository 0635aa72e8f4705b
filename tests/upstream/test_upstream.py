"""Upstream's recorded answers, and ours to the same requests: every difference is accepted with a reason, or is an error.

`make upstream` asks both servers anew; `make upstream RECORD=1` writes the answers that this test compares with.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from upstream_compare import Difference, accepted, differences
from upstream_normal import normal
from upstream_ours import serving
from upstream_scenario import HERE, Scenario, catalogue
from upstream_wire import Server

CATALOGUE = catalogue()
NAMES = [(file, told["name"]) for file, scenarios in CATALOGUE.items() for told in scenarios]


def recorded(file: str) -> dict[str, Any]:
    path = HERE / "fixtures" / f"{file}.json"
    return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """Ours to every scenario, by name: what was answered, or the error that kept it from being asked."""

    async def ask() -> dict[str, Any]:
        found: dict[str, Any] = {}
        side_by_side = asyncio.Semaphore(8)  # some wait for a watch to end

        async def run(server: Server, told: dict[str, Any]) -> None:
            async with side_by_side:
                try:
                    found[told["name"]] = normal(await Scenario(server, server, told).run())
                except (AssertionError, LookupError, OSError, TimeoutError) as error:
                    found[told["name"]] = error

        async with serving() as server:
            scenarios = [told for each in CATALOGUE.values() for told in each]
            await asyncio.gather(*(run(server, told) for told in scenarios))
        return found

    return asyncio.run(ask())


def found_in(file: str, name: str, answers: dict[str, Any]) -> list[Difference]:
    if isinstance(answers[name], Exception):
        raise AssertionError(f"{name} could not be asked") from answers[name]
    return differences(name, recorded(file).get(name, []), answers[name])


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("file", "name"), NAMES, ids=[name for _, name in NAMES])
def test_recorded_requests_are_answered_as_upstream_does(
    file: str, name: str, answers: dict[str, Any]
) -> None:
    assert name in recorded(file), "not recorded yet: make upstream RECORD=1"
    reasons = accepted()
    open_ones = [
        each for each in found_in(file, name, answers) if not any(reason.covers(each) for reason in reasons)
    ]
    assert not open_ones, f"{len(open_ones)} differences\n" + "\n".join(map(str, open_ones))


def test_accepted_differences_are_still_there(answers: dict[str, Any]) -> None:
    found = [each for file, name in NAMES for each in found_in(file, name, answers)]
    gone = [reason for reason in accepted() if not any(reason.covers(each) for each in found)]
    assert not gone, gone


def test_scenarios_are_named_once() -> None:
    names = [name for _, name in NAMES]
    assert len(set(names)) == len(names)
