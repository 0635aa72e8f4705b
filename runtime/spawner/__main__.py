"""Starts a node's spawner and leaves it behind.

    python -I -S runtime/spawner STATE_DIRECTORY '{"pool_size": 8, ...}'

Returns 0 once the spawner listens on STATE_DIRECTORY/spawner.sock, or when one does already; the agent
that started it may die without it. Whatever it cannot start for is on stderr and in spawner.log.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import resource
import signal
import socket
import sys

if __package__ in (None, ""):  # run by path, without site-packages: the project's root is two up
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from runtime.cgroups.layout import detect
from runtime.cgroups.tree import CgroupTree
from runtime.linux.syscalls import LinuxSyscalls
from runtime.spawner.host import Host, Options
from runtime.spawner.loop import Loop
from runtime.spawner.recovery import recover
from runtime.spawner.sandbox import mount_pods
from runtime.spawner.server import Server

SOCKET = "spawner.sock"
LOCK = "spawner.lock"
LOG = "spawner.log"


def main(argv: list[str]) -> int:
    directory = os.path.abspath(argv[0])
    options = Options(json.loads(argv[1]) if len(argv) > 1 else {})
    os.makedirs(directory, 0o700, exist_ok=True)
    lock = os.open(f"{directory}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    ready, told = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(told)
        failure = b"".join(iter(lambda: os.read(ready, 4096), b""))
        sys.stderr.write(failure.decode())
        return 1 if failure else 0
    os.setsid()
    if os.fork():
        os._exit(0)
    os.close(ready)
    _detach(directory)
    try:
        host = _serve(directory, options)
    except Exception as failed:
        os.write(told, f"spawner: {failed}\n".encode())
        os._exit(1)
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    os.close(told)
    gc.collect()
    gc.freeze()
    host.launcher.ahead.fill()
    host.loop.run()
    os._exit(0)


def _serve(directory: str, options: Options) -> Host:
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = Loop()
    host = Host(loop, LinuxSyscalls(), CgroupTree(detect()), directory, options)
    mount_pods(directory, host.syscalls)
    recover(host)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.path.lexists(f"{directory}/{SOCKET}"):
            os.unlink(f"{directory}/{SOCKET}")
        listener.bind(f"/proc/self/fd/{handle}/{SOCKET}")  # a socket's path has 107 bytes at most
    finally:
        os.close(handle)
    os.chmod(f"{directory}/{SOCKET}", 0o600)
    listener.listen(16)
    Server(host, listener)
    return host


def _detach(directory: str) -> None:
    os.chdir("/")
    log = os.open(f"{directory}/{LOG}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0, inheritable=False)
    os.dup2(log, 1, inheritable=False)
    os.dup2(log, 2, inheritable=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
