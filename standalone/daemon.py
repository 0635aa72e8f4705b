"""The supervisor as a process of its own: forked, detached from whoever called, and looked after while it starts.

Used by `kctl up` and `kctl join`. The caller must be single-threaded.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence

from standalone.layout import Layout
from standalone.process import Program
from standalone.sockets import Sockets
from standalone.supervisor import Lock, Supervisor, read_state
from standalone.watchdog import ENVIRONMENT as WATCHDOG
from standalone.watchdog import limit_of


class Died(Exception):
    """What was started does not stay; str() says which part, and the end of its log."""


def fork_supervisor(
    layout: Layout,
    programs: Sequence[Program],
    lock: Lock,
    sockets: Sockets,
    *,
    detach: bool,
    renew: Callable[[], None] | None = None,
) -> int:
    """Forks it; detached, it is a daemon in a session of its own. Returns its pid."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        if not detach:
            os.close(read_end)
            return pid
        os.waitpid(pid, 0)
        with os.fdopen(read_end) as pipe:
            return int(pipe.readline() or 0)
    try:
        os.close(read_end)
        if detach:
            os.setsid()
            if daemon := os.fork():
                os.write(write_end, b"%d\n" % daemon)
                os._exit(0)
            _redirect_output(layout)
        os.close(write_end)
        _preload()
        watchdog_s = limit_of(os.environ.get(WATCHDOG))
        Supervisor(layout, programs, lock, sockets.held, renew, watchdog_s).run()
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def _redirect_output(layout: Layout) -> None:
    log = os.open(layout.log("supervisor"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.chdir("/")


def _preload() -> None:
    """What every component imports, once: the pages are shared by all of them."""
    import asyncio  # noqa: F401
    import gc
    import ssl  # noqa: F401

    with contextlib.suppress(ImportError):
        import httptools  # noqa: F401
        import orjson  # noqa: F401
        import uvloop  # noqa: F401
    gc.collect()
    gc.freeze()


def check_lives(layout: Layout, pid: int) -> None:
    """Raises Died when the supervisor has ended, or starts one of its programs in vain; then it is stopped."""
    if not _is_alive(pid):
        raise Died(
            f"the supervisor ended; its log is {layout.log('supervisor')}\n{tail(layout, 'supervisor')}"
        )
    for component in read_state(layout).get("components", ()):
        if component["restarts"] >= 3:
            name = component["name"]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            raise Died(f"{name} keeps ending; its log is {layout.log(name)}\n{tail(layout, name)}")


def _is_alive(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def tail(layout: Layout, component: str, lines: int = 15) -> str:
    try:
        text = layout.log(component).read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join("  " + line for line in text.splitlines()[-lines:])
