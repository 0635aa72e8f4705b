"""Starts the node's spawner where none runs: a fresh interpreter without site-packages, left behind.

The agent's own process is not forked: it has loaded far more than a container's parent should have.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import runtime.spawner
from runtime.cri import RuntimeFailure
from runtime.linux.program import run_program

_PACKAGE = os.path.dirname(os.path.abspath(runtime.spawner.__file__))


async def launch_spawner(directory: str, options: Mapping[str, Any]) -> None:
    """Returns once it listens (at once where it did already). Raises RuntimeFailure with its own words."""
    command = [sys.executable, "-I", "-S", _PACKAGE, directory, json.dumps(options)]
    code, words = await run_program(command)
    if code:
        text = words.splitlines()
        raise RuntimeFailure(
            "RuntimeUnavailable",
            f"cannot start the container supervisor: {text[-1] if text else 'no reason'}",
        )
