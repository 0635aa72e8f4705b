"""A component's outer shell: it ends on a signal, and tells a refusal in one line."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from client.process import run_process


class Refused(Exception):
    pass


def test_process_ends_when_it_is_told_to_and_has_cleaned_up() -> None:
    done = []

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            done.append("cleaned")

    assert run_process("x", main) == 0
    assert done == ["cleaned"]


def test_refusal_is_one_line_however_deep_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    async def refuse() -> None:
        raise Refused("no kubeconfig")

    async def main() -> None:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(nested())

    async def nested() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(refuse())

    assert run_process("kctl", main, refusals=(Refused,)) == 1
    assert capsys.readouterr().err == "kctl: no kubeconfig\n"


def test_error_that_is_no_refusal_is_raised() -> None:
    async def main() -> None:
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        run_process("kctl", main, refusals=(Refused,))
