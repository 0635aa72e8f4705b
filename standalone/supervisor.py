"""Keeps a cluster's components running: one small process, no event loop, no threads.

It holds the data directory's lock for as long as it lives: the lock, not a pid file, says whether a
cluster runs, so a stale pid cannot lie. Each child's end is seen by pidfd at once; it is started
again after a delay that doubles from 0.1 s to 10 s and is forgotten after a minute of health; so is one that cannot be
started, because the machine has no process or memory left. One that hangs
(`watchdog.py`) is ended first: by SIGABRT, so that its log shows where it hung, and by SIGKILL where that does not help.
SIGTERM stops the children in reverse order of their start and ends the supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standalone.files import write_atomic
from standalone.layout import Layout
from standalone.process import Program, spawn
from standalone.watchdog import Watchdog

_FIRST_DELAY_S, _LAST_DELAY_S, _HEALTHY_S = 0.1, 10.0, 60.0
_STOP_GRACE_S = 10.0
_WRITE_AGAIN_S = 5.0
_ABORT_GRACE_S = 5.0  # for faulthandler to write down every thread
_RENEW_EVERY_S, _RENEW_AGAIN_S = 12 * 3600.0, 60.0


class AlreadyRunning(Exception):
    """Another supervisor holds the lock; `pid` is its process id, 0 if it has not said."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"already running (pid {pid})" if pid else "already running")
        self.pid = pid


@dataclass(slots=True)
class _Child:
    program: Program
    pid: int = 0
    pidfd: int = -1
    started: float = 0.0
    delay_s: float = _FIRST_DELAY_S
    due: float | None = None  # when to start it again
    restarts: int = 0
    watchdog: Watchdog | None = None
    kill_due: float | None = None  # it hangs and was told to abort


class Lock:
    """The data directory's lock. It is released by the kernel when its holder dies, however that happens."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _read_pid(self._fd)
            os.close(self._fd)
            raise AlreadyRunning(pid) from None

    def write_pid(self, pid: int) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(pid).encode(), 0)

    def release(self) -> None:
        os.close(self._fd)


def _read_pid(descriptor: int) -> int:
    text = os.pread(descriptor, 20, 0)
    return int(text) if text.isdigit() else 0


def running_pid(layout: Layout) -> int | None:
    """The supervisor's pid; None where none runs."""
    if not layout.lock.exists():
        return None
    try:
        Lock(layout.lock).release()
    except AlreadyRunning as running:
        return running.pid
    return None


class Supervisor:
    def __init__(
        self,
        layout: Layout,
        programs: Sequence[Program],
        lock: Lock,
        sockets: Mapping[tuple[str, int], int] | None = None,
        renew: Callable[[], None] | None = None,
        watchdog_s: float = 0.0,
    ) -> None:
        """`watchdog_s`: after which silence a program that answers for itself is taken to hang; 0 for never. `sockets`: listening descriptors by address, which programs find open when they begin. `renew` is called twice a
        day, in a process of its own: it sees to certificates that come to their end."""
        self._layout = layout
        self._sockets = sockets or {}
        self._children = [
            _Child(program, watchdog=Watchdog(watchdog_s) if watchdog_s and program.watched else None)
            for program in programs
        ]
        self._lock = lock
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._unwritten_until: float | None = None  # the state could not be written, is tried again then
        self._renew = renew
        self._renewal_due = time.monotonic() + _RENEW_EVERY_S

    def run(self) -> None:
        """Returns after SIGTERM or SIGINT, with every child ended."""
        self._lock.write_pid(os.getpid())
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._selector.register(wake_read, selectors.EVENT_READ, None)
        for child in self._children:
            self._start(child)
        self._write_state()
        while not self._stopping:
            self._wait_once(wake_read)
        self._stop_all()
        self._layout.state.unlink(missing_ok=True)

    def _on_stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _wait_once(self, wake_read: int) -> None:
        changed = False
        for key, _ in self._selector.select(self._timeout_s()):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 64)
            elif key.fd == key.data.pidfd:
                self._reap(key.data)
                changed = True
            else:
                self._on_answer(key.data)
        for child in self._children:
            if child.due is not None and child.due <= time.monotonic() and not self._stopping:
                child.restarts += 1
                self._start_or_wait(child)
                changed = True
            self._look_after(child)
        if changed or (self._unwritten_until is not None and self._unwritten_until <= time.monotonic()):
            self._write_state()
        if self._renew is not None and self._renewal_due <= time.monotonic():
            self._renewal_due = time.monotonic() + _RENEW_EVERY_S
            try:
                self._fork_renewal(self._renew)
            except OSError:  # no process can be had
                self._renewal_due = time.monotonic() + _RENEW_AGAIN_S

    def _timeout_s(self) -> float | None:
        due = [child.due for child in self._children if child.due is not None]
        due += [child.kill_due for child in self._children if child.kill_due is not None]
        due += [child.watchdog.due for child in self._children if child.watchdog is not None and child.pid]
        if self._renew is not None:
            due.append(self._renewal_due)
        if self._unwritten_until is not None:
            due.append(self._unwritten_until)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _look_after(self, child: _Child) -> None:
        """Asks whether it still does anything, and ends it where it does not."""
        now = time.monotonic()
        if child.kill_due is not None and child.kill_due <= now:
            child.kill_due = None
            os.kill(child.pid, signal.SIGKILL)
        watchdog = child.watchdog
        if watchdog is None or not child.pid or watchdog.due > now:
            return
        self._forget_question(watchdog)
        silent_s = watchdog.check(now)
        if watchdog.wanted is not None:
            self._selector.register(watchdog.wanted, selectors.EVENT_READ, child)
        if silent_s and child.kill_due is None:
            self._tell(
                child,
                f"has not answered GET /livez for {silent_s:.0f} s: it hangs, and is ended and started again. Where it hangs:",
            )
            child.kill_due = now + _ABORT_GRACE_S
            _keep_from_dumping(child.pid)
            os.kill(child.pid, signal.SIGABRT)
            os.kill(child.pid, signal.SIGCONT)  # one that was stopped takes no signal before

    def _on_answer(self, child: _Child) -> None:
        if (watchdog := child.watchdog) is not None and watchdog.wanted is not None:
            self._selector.unregister(watchdog.wanted)
            watchdog.on_readable(time.monotonic())

    def _forget_question(self, watchdog: Watchdog) -> None:
        if watchdog.wanted is not None:
            self._selector.unregister(watchdog.wanted)

    def _tell(self, child: _Child, what: str) -> None:
        # A full disk must not end the supervisor: it would take the cluster along.
        with contextlib.suppress(OSError), child.program.log.open("a") as log:
            log.write(f"supervisor: {child.program.name} (pid {child.pid}) {what}\n")

    def _fork_renewal(self, renew: Callable[[], None]) -> None:
        """In a grandchild, which nobody has to wait for: the supervisor loads no library for certificates."""
        if pid := os.fork():
            os.waitpid(pid, 0)
            return
        try:
            if os.fork():
                os._exit(0)
        except OSError:  # this one is not the supervisor, and must never become one
            os._exit(1)
        self._lock.release()  # which says that a supervisor lives, and who
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            renew()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _start_or_wait(self, child: _Child) -> None:
        try:
            self._start(child)
        except OSError as error:  # the others must live on
            self._tell(child, f"cannot be started: {error}")
            child.due = time.monotonic() + child.delay_s
            child.delay_s = min(child.delay_s * 2, _LAST_DELAY_S)

    def _start(self, child: _Child) -> None:
        """Raises OSError where no process can be had."""
        child.due = None
        watchdog = child.watchdog
        child.pid = spawn(child.program, self._sockets, livez=watchdog.listening.fileno() if watchdog else -1)
        try:
            child.pidfd = os.pidfd_open(child.pid)
        except OSError:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            child.pid = 0
            raise
        child.started = time.monotonic()
        if watchdog is not None:
            watchdog.begin(child.pid, child.started)
        self._selector.register(child.pidfd, selectors.EVENT_READ, child)

    def _reap(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        self._selector.unregister(child.pidfd)
        os.close(child.pidfd)
        code = os.waitstatus_to_exitcode(status)
        now = time.monotonic()
        if now - child.started > _HEALTHY_S:
            child.delay_s = _FIRST_DELAY_S
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._tell(child, f"ended with {how}")
        child.pid, child.pidfd, child.kill_due = 0, -1, None
        if child.watchdog is not None:
            self._forget_question(child.watchdog)
            child.watchdog.end()
        child.due = now + child.delay_s
        child.delay_s = min(child.delay_s * 2, _LAST_DELAY_S)

    def _stop_all(self) -> None:
        """The last started goes first, so that agents can still tell a living API server their last word."""
        for child in reversed(self._children):
            if not child.pid:
                continue
            os.kill(child.pid, signal.SIGTERM)
            waiter = selectors.DefaultSelector()
            waiter.register(child.pidfd, selectors.EVENT_READ)
            if not waiter.select(_STOP_GRACE_S):
                os.kill(child.pid, signal.SIGKILL)
            waiter.close()
            os.waitpid(child.pid, 0)
            os.close(child.pidfd)

    def _write_state(self) -> None:
        state = {
            "supervisor": os.getpid(),
            "components": [
                {
                    "name": c.program.name,
                    "pid": c.pid,
                    "restarts": c.restarts,
                    "health": f"127.0.0.1:{c.program.health_port}" if c.program.health_port else "",
                }
                for c in self._children
            ],
        }
        try:
            write_atomic(self._layout.state, json.dumps(state).encode())
        except OSError:
            self._unwritten_until = time.monotonic() + _WRITE_AGAIN_S
        else:
            self._unwritten_until = None


def _keep_from_dumping(pid: int) -> None:
    """A process that is aborted leaves no image of its memory, with keys in it, where it happens to stand."""
    with contextlib.suppress(OSError):
        _, most = resource.prlimit(pid, resource.RLIMIT_CORE)
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, most))


def read_state(layout: Layout) -> dict[str, Any]:
    """What the supervisor last wrote; {} where there is nothing."""
    try:
        state = json.loads(layout.state.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def is_alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
