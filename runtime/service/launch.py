"""Starts the node's spawner where none runs: a fresh interpreter without site-packages, left behind.

The agent's own process is not forked: it has loaded far more than a container's parent should have.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import runtime.spawner
from runtime.cri import RuntimeFailure

_PACKAGE = os.path.dirname(os.path.abspath(runtime.spawner.__file__))


async def launch_spawner(directory: str, options: Mapping[str, Any]) -> None:
    """Returns once it listens (at once where it did already). Raises RuntimeFailure with its own words."""
    # Not asyncio's own: uvloop's leaves the pipe open in what the spawner leaves behind, and never ends.
    with subprocess.Popen(  # noqa: ASYNC220 - forks and execs, 1 ms
        [sys.executable, "-I", "-S", _PACKAGE, directory, json.dumps(options)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        await _ended(process.pid)
        stderr = process.stderr.read() if process.stderr else b""
    if process.returncode:
        text = stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeFailure(
            "RuntimeUnavailable",
            f"cannot start the container supervisor: {text[-1] if text else 'no reason'}",
        )


async def _ended(pid: int) -> None:
    loop = asyncio.get_running_loop()
    handle = os.pidfd_open(pid)
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
