"""Where two lists of answers differ, and which of the differences are accepted.

`accepted.yaml` names each accepted difference with its reason; one that no longer occurs is an error as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from upstream_scenario import HERE, load_yaml

ABSENT = "<absent>"
_SHOWN = 1500


@dataclass(frozen=True)
class Difference:
    scenario: str
    step: str
    at: str
    upstream: Any
    ours: Any

    def __str__(self) -> str:
        theirs, mine = (json.dumps(each, ensure_ascii=False)[:_SHOWN] for each in (self.upstream, self.ours))
        return f"{self.scenario}: {self.step}\n    {self.at}\n      upstream {theirs}\n      ours     {mine}"


@dataclass(frozen=True)
class Accepted:
    """Patterns as of a shell; `ours` holds our answer to what it is, where it is given."""

    why: str
    scenario: str = "*"
    step: str = "*"
    at: str = "*"
    ours: Any = None

    def covers(self, found: Difference) -> bool:
        return (
            fnmatchcase(found.scenario, self.scenario)
            and fnmatchcase(found.step, self.step.replace("[", "[[]"))
            and fnmatchcase(found.at, self.at)
            and (self.ours is None or self.ours == found.ours)
        )


def accepted(path: Path = HERE / "accepted.yaml") -> list[Accepted]:
    return [Accepted(**each) for each in load_yaml(path) or []]


def differences(
    scenario: str, upstream: list[dict[str, Any]], ours: list[dict[str, Any]]
) -> list[Difference]:
    found = []
    for number in range(max(len(upstream), len(ours))):
        theirs = upstream[number] if number < len(upstream) else {}
        mine = ours[number] if number < len(ours) else {}
        step = f"{number + 1} {(theirs or mine)['step']}"
        found += [Difference(scenario, step, *each) for each in _differ("", theirs, mine)]
    return found


def _differ(path: str, upstream: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(upstream, dict) and isinstance(ours, dict) and upstream.get("kind") == ours.get("kind"):
        for key in sorted({*upstream, *ours}):
            yield from _differ(
                f"{path}.{key}" if path else key, upstream.get(key, ABSENT), ours.get(key, ABSENT)
            )
    elif isinstance(upstream, list) and isinstance(ours, list) and len(upstream) == len(ours):
        for index, (theirs, mine) in enumerate(zip(upstream, ours, strict=True)):
            yield from _differ(f"{path}.{index}", theirs, mine)
    elif upstream != ours or type(upstream) is not type(ours):
        yield path, upstream, ours
