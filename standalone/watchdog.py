"""Notices that a process hangs: it is there, and does nothing (a deadlock, an endless loop, SIGSTOP).

    ask ──► GET /livez on the process's own socket ──► answered in time: alive, asked again after a while
                                                  └──► not: asked again at once; silent for `limit_s` in all: it hangs

Only a process that has answered once is judged: one that starts may take its time. Not judged is one that a debugger holds, and
nobody is while this process itself was not running (a suspended machine, one without a moment for us): then the silence is ours.

`Watchdog` is without effects beside the questions: `wanted` and `on_readable` tell the supervisor what to wait for, `check` what it found.
What is done about a process that hangs is the supervisor's. KCTL_WATCHDOG_S sets the limit for who starts a cluster; 0 switches it off.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from client.livez import ALIVE, REQUEST

LIMIT_S = 30.0
ENVIRONMENT = "KCTL_WATCHDOG_S"
FAILURES = 3  # in a row, within the limit
_LATE_S = 1.0  # after which we were not running ourselves
_LONGEST_S = 86400.0
_BACKLOG = 16


@dataclass(slots=True)
class Silence:
    """What is known of one process's answers. Times are monotonic."""

    limit_s: float
    answered: float | None = None  # last; None: never yet
    failures: int = 0

    def on_answer(self, now: float) -> None:
        self.answered, self.failures = now, 0

    def on_failure(self) -> None:
        self.failures += 1

    def excuse(self, now: float) -> None:
        """It cannot be blamed for the time until now."""
        if self.answered is not None:
            self.on_answer(now)

    def hangs(self, now: float) -> bool:
        return self.answered is not None and self.failures >= FAILURES and now - self.answered >= self.limit_s


class Watchdog:
    """Of one process at a time. `listening` is handed to each process that is started under this name."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s`: how long a process that hangs is waited for; greater than 0."""
        self._every_s = limit_s / FAILURES
        self._limit_s = limit_s
        self._silence = Silence(limit_s)
        self._pid = 0
        self._asking: socket.socket | None = None
        self.due = 0.0  # when `check` wants to be called
        self._held, self.listening = _listen()
        self._address = f"/proc/self/fd/{self._held}"

    def begin(self, pid: int, now: float) -> None:
        """Another process, of which nothing is known."""
        self._forget_question()
        self._pid, self._silence = pid, Silence(self._limit_s)
        self.due = now + min(1.0, self._every_s)

    def end(self) -> None:
        self._forget_question()
        self._pid = 0

    def close(self) -> None:
        """Nobody is watched any more."""
        self.end()
        self.listening.close()
        os.close(self._held)

    @property
    def wanted(self) -> socket.socket | None:
        """Where an answer is waited for."""
        return self._asking

    def on_readable(self, now: float) -> None:
        """An answer came, or its end."""
        assert self._asking is not None
        try:
            alive = self._asking.recv(len(ALIVE)) == ALIVE
        except OSError:
            alive = False
        self._forget_question()
        if alive:
            self._silence.on_answer(now)
        else:
            self._silence.on_failure()
        self.due = now + self._every_s

    def check(self, now: float) -> float:
        """When `due`: asks, or asks again where the answer fails to come. How long the process has been hanging; 0.0: it does not."""
        if not self._pid:
            return 0.0
        if now - self.due > _LATE_S or is_traced(self._pid):
            self._silence.excuse(now)
        elif self._asking is not None:
            self._silence.on_failure()
        self._forget_question()
        self.due = now + self._every_s
        if self._silence.hangs(now):
            assert self._silence.answered is not None
            return now - self._silence.answered
        self._ask()
        return 0.0

    def _ask(self) -> None:
        asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            asking.connect(self._address)
            asking.send(REQUEST)
        except OSError:  # its queue is full of questions that it did not answer
            asking.close()
            self._silence.on_failure()
            return
        self._asking = asking

    def _forget_question(self) -> None:
        if self._asking is not None:
            self._asking.close()
            self._asking = None


def limit_of(environment: str | None) -> float:
    """What KCTL_WATCHDOG_S says: seconds, 0 for no watchdog. Nonsense is as if it were not set, and so is more than a day."""
    with contextlib.suppress(ValueError):
        said = float(environment or "unset")
        if said <= _LONGEST_S:
            return max(0.0, said)
    return LIMIT_S


def is_traced(pid: int) -> bool:
    """Whether a debugger holds it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in status.splitlines())


def _listen() -> tuple[int, socket.socket]:
    """(the socket's file, the listening socket). Its file is removed at once and reached through a descriptor of this process:
    nobody else can fill its queue, nothing stays behind, and no directory's path is too long for it."""
    with tempfile.TemporaryDirectory(prefix="kctl-livez-") as directory:
        opened = os.open(directory, os.O_PATH | os.O_CLOEXEC)
        try:
            path = f"/proc/self/fd/{opened}/socket"
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(path)
            listening.listen(_BACKLOG)
            held = os.open(path, os.O_PATH | os.O_CLOEXEC)
        finally:
            os.close(opened)
    return held, listening
