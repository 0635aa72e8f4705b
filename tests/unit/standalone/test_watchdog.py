"""When a process is taken to hang: only after it has answered, never for time in which nobody could have asked it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop

from client.listening import ENVIRONMENT, named
from client.livez import ALIVE, LIVEZ, answer_livez
from standalone.watchdog import LIMIT_S, Silence, Watchdog, is_traced, limit_of


@pytest.fixture
def dog() -> Iterator[Watchdog]:
    made = Watchdog(9.0)
    made.begin(os.getpid(), 0.0)
    yield made
    made.end()
    made.close()


def answer(dog: Watchdog) -> None:
    connection, _ = dog.listening.accept()
    with connection:
        assert connection.recv(100).startswith(b"GET /livez HTTP/1.1")
        with suppress(BrokenPipeError):  # an old question, which nobody waits for any more
            connection.send(ALIVE)


def rounds(dog: Watchdog, count: int) -> list[float]:
    return [dog.check(dog.due) for _ in range(count)]


def test_process_that_never_answered_is_not_judged(dog: Watchdog) -> None:
    assert rounds(dog, 30) == [0.0] * 30  # its queue is full long before


def test_process_that_falls_silent_hangs_when_the_limit_is_over(dog: Watchdog) -> None:
    dog.check(dog.due)
    answer(dog)
    dog.on_readable(2.0)
    found = rounds(dog, 4)
    assert found[:3] == [0.0] * 3 and found[3] == pytest.approx(12.0)


def test_answer_in_between_begins_the_count_anew(dog: Watchdog) -> None:
    dog.check(dog.due)
    answer(dog)
    dog.on_readable(2.0)
    assert rounds(dog, 3) == [0.0] * 3
    for _ in range(3):
        answer(dog)
    dog.on_readable(dog.due - 1)
    assert rounds(dog, 3) == [0.0] * 3


def test_silence_while_we_were_not_running_is_not_the_processs(dog: Watchdog) -> None:
    dog.check(dog.due)
    answer(dog)
    dog.on_readable(2.0)
    assert rounds(dog, 3) == [0.0] * 3
    assert dog.check(dog.due + 3600) == 0.0  # the machine was suspended
    assert rounds(dog, 2) == [0.0] * 2
    assert dog.check(dog.due) >= 9.0


def test_process_that_begins_anew_has_not_answered_yet(dog: Watchdog) -> None:
    dog.check(dog.due)
    answer(dog)
    dog.on_readable(2.0)
    dog.begin(os.getpid(), 3.0)
    assert rounds(dog, 10) == [0.0] * 10


def test_three_failures_in_less_than_the_limit_are_not_enough() -> None:
    silence = Silence(30.0)
    silence.on_answer(0.0)
    for _ in range(5):
        silence.on_failure()
    assert not silence.hangs(29.0) and silence.hangs(30.0)
    silence.failures = 2
    assert not silence.hangs(100.0)


def test_process_that_is_traced_is_known() -> None:
    assert not is_traced(os.getpid()) and not is_traced(1 << 30)
    code = "import ctypes, os, signal; ctypes.CDLL(None).ptrace(0, 0, 0, 0); os.kill(os.getpid(), signal.SIGSTOP)"
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert is_traced(child.pid)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


@pytest.mark.parametrize(
    ("said", "limit_s"),
    [
        (None, LIMIT_S),
        ("", LIMIT_S),
        ("x", LIMIT_S),
        ("0", 0.0),
        ("2.5", 2.5),
        ("-1", 0.0),
        ("inf", LIMIT_S),
        ("1e300", LIMIT_S),
        ("nan", LIMIT_S),
    ],
)
def test_limit_is_read(said: str | None, limit_s: float) -> None:
    assert limit_of(said) == limit_s


def test_directory_for_temporary_files_may_have_a_long_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    dog = Watchdog(9.0)
    dog.begin(os.getpid(), 0.0)
    dog.check(dog.due)
    answer(dog)
    dog.on_readable(2.0)
    assert rounds(dog, 4)[3] > 9.0  # it was judged, so it had answered
    assert not list(deep.iterdir())
    dog.close()


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
def test_running_loop_answers_and_says_nothing_when_nobody_watches(
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
    dog: Watchdog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        await answer_livez()  # returns: nobody watches
        monkeypatch.setenv(ENVIRONMENT, named({LIVEZ: dog.listening.fileno()}))
        answering = asyncio.create_task(answer_livez())
        dog.check(dog.due)
        await asyncio.sleep(0.05)
        dog.on_readable(2.0)
        answering.cancel()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert rounds(dog, 4)[3] > 9.0  # it was judged, so it had answered
