"""Runs a short program from a component's process and waits for its end, under any event loop.

Its end is told by a pidfd: asyncio's own watchers need threads or SIGCHLD, and uvloop's, in a process that was forked
after uvloop was imported, never fires. Input and words go through memory files, so nothing can fill up and block, and
nothing that the program leaves behind keeps its caller waiting for the end of a pipe.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Sequence


async def run_program(command: Sequence[str], given: bytes = b"") -> tuple[int, str]:
    """(exit code, what it wrote to stderr). Raises OSError where it cannot be executed. When cancelled, it is killed."""
    with (
        os.fdopen(os.memfd_create("stdin"), "w+b", 0) as stdin,
        os.fdopen(os.memfd_create("stderr"), "w+b", 0) as words,
    ):
        stdin.write(given)
        stdin.seek(0)
        process = subprocess.Popen(  # noqa: ASYNC220 - forks and execs, 1 ms
            command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=words
        )
        try:
            await _ended(process.pid)
        except asyncio.CancelledError:
            process.kill()
            raise
        finally:
            code = process.wait()
        words.seek(0)
        return code, words.read().decode(errors="replace").strip()


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
