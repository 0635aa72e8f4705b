"""Forking a component: what stands between `fork()` and its `main()`.

A component is forked, not executed: the modules that the supervisor has loaded are shared pages in
every child, and no interpreter starts anew. The child gets its own session and log file, dies with
its supervisor, enters its network namespace, and then behaves as if started from a shell.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from client.listening import ENVIRONMENT, named
from client.livez import LIVEZ

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_LOG_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Program:
    """A component to run. `listen` are the (host, port) of the sockets that it finds open (`sockets.py`)."""

    name: str
    module: str  # has main(argv) -> int
    argv: tuple[str, ...]
    log: Path
    netns: str = ""
    listen: tuple[tuple[str, int], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    health_port: int = 0  # on loopback, where the program has one
    watched: bool = False  # it answers `client/livez.py`'s question


def spawn(program: Program, sockets: Mapping[tuple[str, int], int] | None = None, *, livez: int = -1) -> int:
    """Forks; returns the child's pid. The caller must be single-threaded. `sockets`: listening descriptors; `livez`: the
    one where the program is asked whether it lives."""
    supervisor = os.getpid()
    _rotate(program.log)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _become(program, supervisor, sockets or {}, livez)
        module = importlib.import_module(program.module)
        code = module.main(list(program.argv))
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        with contextlib.suppress(OSError):
            traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code or 0)


def _become(program: Program, supervisor: int, sockets: Mapping[tuple[str, int], int], livez: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        raise SystemExit(0)  # it died between fork and prctl
    libc.prctl(_PR_SET_NAME, f"kctl-{program.name}"[:15].encode(), 0, 0, 0)
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    log = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    own = {address: sockets[address] for address in program.listen if address in sockets}
    if livez >= 0:
        own[LIVEZ] = livez
    _close_all_but(own.values())
    faulthandler.enable(2)  # on SIGABRT every thread's traceback goes to the log
    os.environ.update(program.env)
    os.environ[ENVIRONMENT] = named(own)
    if program.netns:
        # Images are pulled through the host's network, whatever namespace the node lives in.
        outside = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        os.environ["KCTL_HOST_NETNS"] = f"/proc/self/fd/{outside}"
        handle = os.open(f"/run/netns/{program.netns}", os.O_RDONLY | os.O_CLOEXEC)
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter network namespace {program.netns}")
        os.close(handle)


def _close_all_but(kept: Iterable[int]) -> None:
    first = 3
    for descriptor in (*sorted(kept), 1024):
        os.closerange(first, descriptor)
        first = descriptor + 1


def _rotate(log: Path) -> None:
    """One old file is kept."""
    try:
        if log.stat().st_size > _LOG_LIMIT_BYTES:
            log.rename(log.with_suffix(".log.1"))
    except FileNotFoundError:
        pass
