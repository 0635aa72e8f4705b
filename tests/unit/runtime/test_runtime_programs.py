"""Short programs and their ends, on both event loops and in a forked process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from runtime.linux.program import run_program

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def run(new_loop: Callable[[], Any], main: Any) -> Any:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_program_gets_its_input_and_its_code_and_words_come_back(new_loop: Callable[[], Any]) -> None:
    code, words = run(new_loop, run_program(["sh", "-c", "cat >&2; exit 3"], b"x" * 200_000))
    assert (code, len(words)) == (3, 200_000)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_program_that_leaves_a_child_behind_has_ended(new_loop: Callable[[], Any]) -> None:
    begun = os.times().elapsed
    assert run(new_loop, run_program(["sh", "-c", "sleep 2 & exit 0"])) == (0, "")
    assert os.times().elapsed - begun < 1.5


@pytest.mark.parametrize("new_loop", LOOPS)
def test_cancelled_program_is_killed(new_loop: Callable[[], Any]) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await run_program(["sleep", "60"])

    run(new_loop, main())


def test_missing_program_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(run_program(["/no/such/program"]))


def test_end_is_seen_in_a_process_forked_after_uvloop_was_imported() -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code, _ = run(uvloop.new_event_loop, run_program([sys.executable, "-c", "raise SystemExit(7)"]))
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
