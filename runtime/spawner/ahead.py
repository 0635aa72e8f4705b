"""Children cloned before anyone needs them: the dearest part of a start is done when the start is asked for.

Each stands in its own mount and pid namespace, has /dev and /proc put together, and waits on its socket for
its container. nursery.py makes them. A stock of them is refilled shortly after one was taken, off the path; who
comes when the stock is empty waits for the next to be made, rather than have the spawner clone itself. They hold
a copy of the host's mounts, so they are replaced when a pod has gone: nothing of it shall live on in them.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Callable

from runtime.linux.syscalls import Syscalls
from runtime.spawner import nursery
from runtime.spawner.child import MAX_PACKED, Places
from runtime.spawner.loop import Loop

REFILL_S = 0.002
REPLACE_S = 0.2


class Child:
    """One that waits."""

    __slots__ = ("pid", "pidfd", "status")

    def __init__(self, pid: int, pidfd: int, status: socket.socket) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.status = status

    def give(self, packed: bytes, fds: list[int]) -> bool:
        """Its container; False where it is not there any more."""
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        try:
            return self.status.sendmsg([packed], extra) == len(packed)
        except OSError:
            return False

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        self.status.close()


class AheadPool:
    def __init__(self, loop: Loop, syscalls: Syscalls, places: Places, size: int) -> None:
        self._loop = loop
        self._syscalls = syscalls
        self._places = places
        self._size = size
        self._stock: deque[Child] = deque()
        self._asked: deque[socket.socket] = deque()  # our ends of those that are being made
        self._waiting: deque[Callable[[Child | None], None]] = deque()
        self._is_refilling = False
        self._is_replacing = False
        self._pid = 0
        self._link: socket.socket | None = None
        if size:
            self._start()

    def fill(self) -> None:
        """Up to the size, a little later; many wishes at once are one."""
        if not self._is_refilling and self._size:
            self._is_refilling = True
            self._loop.call_later(REFILL_S, self._refill)

    def take(self, use: Callable[[Child | None], None]) -> None:
        """`use` gets a child, now or when one is made; None where none can be made."""
        if not self._size or self._link is None:
            use(None)
        elif self._stock:
            self.fill()
            use(self._stock.popleft())
        else:
            self._waiting.append(use)
            self._refill()

    def replace(self) -> None:
        """What stands ready has seen mounts that are gone."""
        if not self._is_replacing and self._size:
            self._is_replacing = True
            self._loop.call_later(REPLACE_S, self._replace)

    def close(self) -> None:
        self._size = 0
        self._turn_away()
        while self._asked and self._link is not None:
            self._on_made(0)
        if self._link is not None:
            self._stop()
        while self._stock:
            self._stock.popleft().end()

    def _refill(self) -> None:
        self._is_refilling = False
        wanted = self._size + len(self._waiting)
        while self._link is not None and len(self._stock) + len(self._asked) < wanted:
            ours, theirs = status_pair()
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
            self._link.sendmsg([b"m"], extra)
            theirs.close()
            self._asked.append(ours)

    def _on_made(self, _: int) -> None:
        link = self._link
        if link is None:
            return
        data, ancillary, _flags, _address = link.recvmsg(4096, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        if not data:
            self._lost()
            return
        status = self._asked.popleft()
        if not ancillary:  # refused; a start clones for itself
            status.close()
            if self._waiting:
                self._waiting.popleft()(None)
            return
        child = Child(int(data), array.array("i", ancillary[0][2])[0], status)
        if self._waiting:
            self._waiting.popleft()(child)
        else:
            self._stock.append(child)

    def _replace(self) -> None:
        self._is_replacing = False
        while self._stock:
            self._stock.popleft().end()
        self.fill()

    def _start(self) -> None:
        self._pid, self._link = nursery.start(self._syscalls, self._places)
        self._loop.add(self._link.fileno(), self._on_made)

    def _stop(self) -> None:
        assert self._link is not None
        self._loop.remove(self._link.fileno())
        self._link.close()
        self._link = None
        os.waitpid(self._pid, 0)
        while self._asked:
            self._asked.popleft().close()

    def _lost(self) -> None:
        self._stop()
        self._turn_away()
        self._start()
        self.fill()

    def _turn_away(self) -> None:
        while self._waiting:
            self._waiting.popleft()(None)


def status_pair() -> tuple[socket.socket, socket.socket]:
    """(parent's end, which does not block; child's end)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with contextlib.suppress(OSError):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_PACKED)
    return ours, theirs
