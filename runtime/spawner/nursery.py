"""A helper process that clones children ahead, as its parent's: they are the spawner's children from birth.

A clone costs its maker the write access to every page, and a page copy for each that it writes to while
the child lives. This process does nothing but clone, so the spawner pays none of that and is not kept
from its work. One message each over a SEQPACKET socket:

    spawner → b"m" + the child's end of a status socket
    here    → the child's pid in decimal + its pidfd; b"0" and the cause where the clone was refused

Dies with the spawner.
"""

from __future__ import annotations

import array
import gc
import os
import signal
import socket
from typing import NoReturn

from runtime.linux.constants import CLONE_NEWNS, CLONE_NEWPID, CLONE_PARENT
from runtime.linux.syscalls import Syscalls
from runtime.spawner.child import Places, keep_only, run_ahead


def start(syscalls: Syscalls, places: Places) -> tuple[int, socket.socket]:
    """Forks the helper: (pid, the spawner's end)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            keep_only(theirs.fileno())
            syscalls.set_parent_death_signal(signal.SIGKILL)
            gc.freeze()
            gc.disable()
            _serve(syscalls, places, theirs)
        finally:
            os._exit(0)
    theirs.close()
    return pid, ours


def _serve(syscalls: Syscalls, places: Places, link: socket.socket) -> None:
    while True:
        data, ancillary, _, _ = link.recvmsg(16, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        if not data:
            return
        fd = array.array("i", ancillary[0][2])[0]
        try:
            pid, pidfd = syscalls.clone3(CLONE_NEWNS | CLONE_NEWPID | CLONE_PARENT)
        except OSError as refused:
            link.send(f"0 {refused.strerror}".encode())
            os.close(fd)
            continue
        if pid == 0:
            _wait_for_a_container(syscalls, places, fd)
        os.close(fd)
        link.sendmsg([b"%d" % pid], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pidfd]))])
        os.close(pidfd)


def _wait_for_a_container(syscalls: Syscalls, places: Places, fd: int) -> NoReturn:
    status = socket.socket(fileno=fd)
    run_ahead(syscalls, places, status)
