"""kube-apiserver 1.20's recorded answers, and ours to the same requests: every difference is accepted with a reason, or an error.

`make upstream-120` asks both servers anew, with RECORD=1 it writes the answers that this test compares with.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "upstream"))
sys.path.insert(0, str(Path(__file__).parent))

from kube120_questions import asked, judged, scenarios
from upstream120_live import FAILURES, of_cases
from upstream_compare import Difference, accepted, differences
from upstream_ours import serving
from upstream_wire import Server

HERE = Path(__file__).parent
SCENARIOS = scenarios()
NAMES = [(file, told["name"]) for file, of_file in SCENARIOS.items() for told in of_file]
CASES = ("judged", "judged")


REASONS = accepted(HERE / "accepted.yaml")


@functools.cache
def recorded(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "fixtures" / f"{file}.json").read_text())
    return found


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """Ours to every scenario and to the tables' cases, by name: what was answered, or why it was not asked."""

    async def ask() -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def run(server: Server, told: dict[str, Any]) -> None:
            try:
                found[told["name"]] = await asked(server, told)
            except FAILURES as error:
                found[told["name"]] = error

        async with serving() as server:
            for of_file in SCENARIOS.values():
                for told in of_file:
                    await run(server, told)
            found["judged"] = await judged(
                server, only={each["step"] for each in recorded("judged")["judged"]}
            )
        return found

    return asyncio.run(ask())


def found_in(file: str, name: str, answers: dict[str, Any]) -> list[Difference]:
    if isinstance(answers[name], Exception):
        raise AssertionError(f"{name} could not be asked") from answers[name]
    theirs = recorded(file)[name]
    return of_cases(theirs, answers[name]) if name == "judged" else differences(name, theirs, answers[name])


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("file", "name"), [*NAMES, CASES], ids=[*(name for _, name in NAMES), "judged"])
def test_built_in_kinds_answer_as_kube_apiserver_did(file: str, name: str, answers: dict[str, Any]) -> None:
    open_ones = [
        each for each in found_in(file, name, answers) if not any(reason.covers(each) for reason in REASONS)
    ]
    assert not open_ones, f"{len(open_ones)} differences\n" + "\n".join(map(str, open_ones))


def test_differences_that_are_accepted_are_still_there(answers: dict[str, Any]) -> None:
    found = [each for file, name in [*NAMES, CASES] for each in found_in(file, name, answers)]
    gone = [reason for reason in REASONS if not any(reason.covers(each) for each in found)]
    assert not gone, gone


def test_most_recorded_cases_are_still_in_the_tables(answers: dict[str, Any]) -> None:
    here = {each["step"] for each in answers["judged"]}
    theirs = [each["step"] for each in recorded("judged")["judged"]]
    kept = sum(step in here for step in theirs)
    assert kept > 0.9 * len(theirs), f"{kept} of {len(theirs)}: make upstream-120 RECORD=1"
