"""All that is asked of kube-apiserver 1.20 and of ours: scenarios by the file that their recorded answers are in.

1.20 has some kinds in an older version of the same shape: it is asked there (`old`), and its answers are told as of the version of today.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from pathlib import Path
from typing import Any

import judged_cases
import kind_scenarios
from kube120_older import OLDER
from kube120_plain import plain
from upstream_cases import expanded
from upstream_normal import normal
from upstream_scenario import Scenario, load_yaml
from upstream_wire import Server

Obj = dict[str, Any]

HERE = Path(__file__).parent
_ALLOCATED = re.compile(r"\b10\.96\.(?!66\.|77\.|88\.|200\.)\d+\.\d+\b")


def scenarios(old: bool = False) -> dict[str, list[Obj]]:
    return {
        "kinds": kind_scenarios.scenarios(old),
        "tables": kind_scenarios.tables(old),
        "actions": _written("actions", old),
        "admission": _written("admission", old),
        "services": _written("services", old),
        "pods": _written("pods", old),
    }


def _written(file: str, old: bool) -> list[Obj]:
    text = json.dumps(load_yaml(HERE / f"{file}.yaml"))
    if old:
        text = text.replace("policy/v1/", "policy/v1beta1/").replace('"policy/v1"', '"policy/v1beta1"')
    return expanded(json.loads(text))


async def judged(server: Server, *, old: bool = False, only: Container[str] | None = None) -> list[Obj]:
    """Answers to the tables' cases, by `step`; what could not be asked is left out."""
    said = await judged_cases.answers(server, old, only)
    return [{"step": key, **answer} for key, answer in said.items() if "unasked" not in answer]


async def asked(server: Server, told: Obj) -> list[Obj]:
    """Raises AssertionError, LookupError, OSError, TimeoutError where it cannot be asked."""
    said = normal(await Scenario(server, server, told).run())
    text = _ALLOCATED.sub("<allocated>", json.dumps(said))
    for named, older in OLDER.items():
        text = text.replace(older, named.partition(" ")[0])
    return plain(json.loads(text))
