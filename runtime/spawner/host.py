"""All sandboxes and containers of a node, and the verbs on them. The spawner's centre.

A verb gets its message, descriptors that came along and a `reply`; it answers once, now or later. A
refusal is an answer with `error` (and `reason` where the caller should tell kinds apart). `publish` tells
every connected agent what happened by itself: exits of containers and of execs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from runtime.cgroups.stats import read_oom_kills
from runtime.cgroups.tree import CgroupTree
from runtime.linux.namespaces import OwnNamespaces
from runtime.linux.syscalls import Syscalls
from runtime.spawner import sandbox as sandboxes
from runtime.spawner.container import Container, exit_of, plan_exit, plan_start_failure, read_status
from runtime.spawner.launcher import Launcher, Pipes
from runtime.spawner.loop import Loop
from runtime.spawner.netpool import NetworkPool, PodNetwork
from runtime.spawner.output import LogFile, Output
from runtime.spawner.records import Records, boot_id
from runtime.spawner.rootfs import MountError
from runtime.spawner.sandbox import Sandbox

Message = dict[str, Any]
Reply = Callable[..., None]  # reply(message, fds=())


class Refused(Exception):
    """A verb cannot be done; `reason` is NotFound, Conflict or Failed."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Options:
    """How this spawner was started."""

    def __init__(self, given: Message) -> None:
        self.pool_size = int(given.get("pool_size", 8))
        self.mtu = int(given.get("mtu", 0))
        self.ahead = int(given.get("ahead", 2))
        self.log_max_bytes = int(given.get("log_max_bytes", 10 << 20))
        self.log_max_files = int(given.get("log_max_files", 5))


class Host:
    def __init__(
        self, loop: Loop, syscalls: Syscalls, tree: CgroupTree, directory: str, options: Options
    ) -> None:
        self.loop = loop
        self.syscalls = syscalls
        self.tree = tree
        self.directory = directory
        self.options = options
        self.own = OwnNamespaces(syscalls)
        self.records = Records(directory)
        self.launcher = Launcher(loop, syscalls, self.own, tree, directory, options.ahead)
        self.pool = NetworkPool(loop, syscalls, options.pool_size, options.mtu)
        self.gateway = ""
        self.sandboxes: dict[str, Sandbox] = {}
        self.containers: dict[str, Container] = {}
        self.exit_waiters: dict[str, list[Callable[[], None]]] = {}
        self.publish: Callable[[Message], None] = lambda message: None
        self.boot_id = boot_id()
        self.parents: set[str] = set()  # cgroups that pods stood in

    # -- network ---------------------------------------------------------------------------------------

    def set_network(self, message: Message, fds: list[int], reply: Reply) -> None:
        self.gateway = message["address"]
        self.pool.set_bridge(message["address"], message["prefix"])
        reply({})

    # -- sandboxes -------------------------------------------------------------------------------------

    def create_sandbox(self, message: Message, fds: list[int], reply: Reply) -> None:
        request = message["request"]
        sandbox = Sandbox(request, f"{self.directory}/pods/{request['id']}")

        def fail(text: str) -> None:
            self._discard(sandbox)
            reply({"error": text, "reason": "Failed"})

        self.parents.add(os.path.dirname(sandbox.group))
        try:
            warnings = sandboxes.prepare(sandbox, self.tree, self.syscalls, self.own)
        except OSError as refused:
            fail(_words(refused))
            return

        def ready(network: PodNetwork | None, why: str) -> None:
            if network is None and not request.get("host_network"):
                fail(f"failed to set up network for sandbox: {why}")
                return
            try:
                if network is not None:
                    sandboxes.adopt_network(sandbox, network, self.gateway)
                sandboxes.apply_sysctls(sandbox, self.own)
                if request.get("pid") == "POD":
                    sandboxes.start_shared_pid_namespace(sandbox, self.syscalls)
            except OSError as refused:
                fail(_words(refused))
                return
            self.sandboxes[sandbox.id] = sandbox
            self._save_sandbox(sandbox)
            reply({"sandbox": sandbox.record(), "warnings": warnings})

        if request.get("host_network"):
            ready(None, "")
        else:
            self.pool.take(ready)

    def stop_sandbox(self, message: Message, fds: list[int], reply: Reply) -> None:
        sandbox = self.sandboxes.get(message["id"])
        if sandbox is None:
            reply({})
            return
        sandbox.is_stopping = True
        running = [c for c in self._of(sandbox.id) if c.pidfd >= 0]

        def done() -> None:
            if any(c.pidfd >= 0 for c in running):
                return
            self._release(sandbox)
            reply({"sandbox": sandbox.record()})

        for container in running:
            self._when_exited(container, done)
            container.signal(9)
        if not running:
            done()

    def remove_sandbox(self, message: Message, fds: list[int], reply: Reply) -> None:
        """Stops it first and removes its containers too."""

        def stopped(_: Message, fds: tuple[int, ...] = ()) -> None:
            sandbox = self.sandboxes.pop(message["id"], None)
            if sandbox is not None:
                for container in self._of(sandbox.id):
                    self._forget(container)
                self._discard(sandbox)
                self.records.forget_sandbox(sandbox.id)
            reply({})

        self.stop_sandbox(message, fds, stopped)

    def update_sandbox(self, message: Message, fds: list[int], reply: Reply) -> None:
        sandbox = self._sandbox(message["id"])
        self._write_limits(sandbox.group, message["writes"])
        sandbox.request["config"] = message["config"]
        self._save_sandbox(sandbox)
        reply({})

    def socket_in(self, message: Message, fds: list[int], reply: Reply) -> None:
        """A TCP socket that lives in the sandbox's network, for the agent to connect."""
        import socket

        from runtime.linux.constants import CLONE_NEWNET

        sandbox = self._sandbox(message["id"])
        handle = sandbox.handles.get(CLONE_NEWNET)
        with self.own.inside({CLONE_NEWNET: handle} if handle is not None else {}):
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        reply({}, [made.detach()])

    # -- containers ------------------------------------------------------------------------------------

    def create_container(self, message: Message, fds: list[int], reply: Reply) -> None:
        spec = message["spec"]
        sandbox = self._sandbox(spec["sandbox"])
        if not sandbox.takes_containers:
            raise Refused("Conflict", f"sandbox {sandbox.id} is not running")
        container = Container(spec)
        try:
            self.tree.create(container.group, spec.get("controllers") or ())
            container.warnings += self.tree.write(container.group, spec.get("writes") or ())
            self.records.save_new(container.id, spec, self._state_to_record(container))
        except OSError as refused:
            self.tree.remove(container.group)
            self.records.forget_container(container.id)
            raise Refused("Failed", _words(refused)) from refused
        self.containers[container.id] = container
        reply({"container": container.public()})

    def start_container(self, message: Message, fds: list[int], reply: Reply) -> None:
        container = self._container(message["id"])
        if container.state["state"] != "CREATED" or container.is_starting:
            state = container.state["state"]
            raise Refused("Conflict", f"container {container.id} is in state {state}, not created")
        sandbox = self._sandbox(container.sandbox_id)
        if not sandbox.takes_containers:
            raise Refused("Conflict", f"sandbox {sandbox.id} is not running")
        container.is_starting = True
        log = LogFile(
            container.spec.get("log_path") or "", self.options.log_max_bytes, self.options.log_max_files
        )
        container.output = Output(log, lambda: None)

        def fail(refused: OSError | MountError) -> None:
            self._fail_start(container, _words(refused) if isinstance(refused, OSError) else str(refused))
            reply({"error": container.error, "container": container.public(), "reason": "Failed"})

        def started(refused: OSError | None) -> None:
            if refused is not None:
                fail(refused)
                return
            assert container.status is not None
            self.loop.add(container.status.fileno(), lambda _: self._on_status(container, reply))
            self.loop.add(container.pidfd, lambda _: self._on_exit(container, reply))

        def is_wanted() -> bool:
            return container.id in self.containers and sandbox.takes_containers

        stdio = (-1, -1, -1)  # with a terminal
        try:
            if not container.spec["process"].get("tty"):
                pipes = Pipes(bool(container.spec.get("stdin")))
                self._listen(container, pipes)
                stdio = pipes.theirs
            self.launcher.start(container, sandbox, stdio, is_wanted, started)
        except (OSError, MountError) as refused:
            fail(refused)
            return
        with contextlib.suppress(OSError):  # while the child builds its world
            log.open()

    def signal(self, message: Message, fds: list[int], reply: Reply) -> None:
        container = self.containers.get(message["id"])
        if container is not None:
            container.signal(int(message["signal"]))
        reply({})

    def remove_container(self, message: Message, fds: list[int], reply: Reply) -> None:
        container = self.containers.get(message["id"])
        if container is None:
            reply({})
            return

        def done() -> None:
            self._forget(container)
            reply({})

        if container.pidfd >= 0:
            self._when_exited(container, done)
            container.signal(9)
        else:
            done()

    def update_container(self, message: Message, fds: list[int], reply: Reply) -> None:
        container = self._container(message["id"])
        if container.state["state"] != "EXITED":
            self._write_limits(container.group, message["writes"])
        container.spec["config"] = message["config"]
        self.records.save_spec(container.id, container.spec)
        reply({})

    def reopen_log(self, message: Message, fds: list[int], reply: Reply) -> None:
        container = self._container(message["id"])
        if not container.is_running or container.output is None:
            raise Refused("Conflict", f"container {container.id} is not running")
        container.output.log.reopen()
        reply({})

    def inventory(self, message: Message, fds: list[int], reply: Reply) -> None:
        reply(
            {
                "sandboxes": [sandbox.record() for sandbox in self.sandboxes.values()],
                "containers": [
                    {"spec": container.spec, "state": container.public()}
                    for container in self.containers.values()
                ],
            }
        )

    # -- what happens ----------------------------------------------------------------------------------

    def _listen(self, container: Container, pipes: Pipes) -> None:
        output = container.output
        assert output is not None
        container.stdin = pipes.in_
        for fd, stream in ((pipes.out, "stdout"), (pipes.err, "stderr")):
            output.sources[fd] = stream
            self.loop.add(fd, partial(self._on_readable, container, fd))

    def _on_readable(self, container: Container, fd: int, _: int) -> None:
        output = container.output
        if output is not None and fd in output.sources and output.read(fd) < 0:
            self.loop.remove(fd)
            output.close_source(fd)

    def _on_status(self, container: Container, reply: Reply) -> None:
        """News from the child before its program runs; the socket's end says that it runs."""
        status = container.status
        if status is None:
            return
        messages, fds, ended = read_status(status)
        for fd in fds:
            self._adopt_terminal(container, fd)
        for message in messages:
            container.error = message.get("error", container.error)
            container.warnings += message.get("warnings", ())
        if not ended:
            return
        self.loop.remove(status.fileno())
        status.close()
        container.status = None
        container.is_starting = False
        if container.error:
            self._fail_start(container, container.error)
            reply({"error": container.error, "container": container.public(), "reason": "Failed"})
            return
        container.state.update(state="RUNNING", started_at_ns=time.time_ns())
        self._save(container)
        reply({"container": container.public()})

    def _adopt_terminal(self, container: Container, master: int) -> None:
        output = container.output
        assert output is not None
        os.set_blocking(master, False)
        container.master = master
        output.sources[master] = "stdout"
        self.loop.add(master, partial(self._on_readable, container, master))

    def _on_exit(self, container: Container, reply: Reply) -> None:
        if container.pidfd < 0:
            return
        ended = exit_of(container.pidfd)
        if ended is None:
            return
        if container.status is not None:
            self._on_status(container, reply)
        if container.status is not None:  # an exec'd child may still hold it: the first process is gone
            self.loop.remove(container.status.fileno())
            container.status.close()
            container.status = None
        self.loop.remove(container.pidfd)
        os.close(container.pidfd)
        container.pidfd = -1
        if container.state["state"] == "RUNNING":
            kills = read_oom_kills(self.tree.layout, container.group)
            container.state = plan_exit(container.state, *ended, kills, time.time_ns())
        self._close_output(container)
        self._save(container)
        self.publish({"event": "exited", "container": container.public()})
        for waiter in self.exit_waiters.pop(container.id, ()):
            waiter()
        self.loop.call_later(0, lambda: self._remove_group(container.group))

    def _close_output(self, container: Container) -> None:
        output = container.output
        if output is None:
            return
        output.drain()
        for fd in list(output.sources):
            self.loop.remove(fd)
            output.close_source(fd)
        output.close_attachers()
        output.log.close()
        if container.stdin >= 0:
            os.close(container.stdin)
        container.stdin = container.master = -1
        container.output = None

    def _fail_start(self, container: Container, error: str) -> None:
        container.is_starting = False
        container.error = error
        container.state = plan_start_failure(container.state, error, time.time_ns())
        if container.id in self.containers:
            self._save(container)
        if container.pidfd < 0:
            self._close_output(container)
            self._remove_group(container.group)

    def _when_exited(self, container: Container, function: Callable[[], None]) -> None:
        self.exit_waiters.setdefault(container.id, []).append(function)

    def _remove_group(self, group: str, attempt: int = 0) -> None:
        """Off the path of an exit; a process that is still dying makes it wait a little."""
        if self.tree.remove(group):
            return
        self.tree.kill(group)
        if attempt < 50:
            self.loop.call_later(0.005 * (attempt + 1), lambda: self._remove_group(group, attempt + 1))

    def _forget(self, container: Container) -> None:
        self.containers.pop(container.id, None)
        self._remove_group(container.group)
        self.records.forget_container(container.id)

    def _release(self, sandbox: Sandbox) -> None:
        if sandbox.state != "READY":
            return
        sandbox.state = "NOTREADY"
        sandboxes.release(sandbox)
        if sandbox.link:
            self.pool.drop(sandbox.link)
        self._save_sandbox(sandbox)

    def _discard(self, sandbox: Sandbox) -> None:
        sandboxes.release(sandbox)
        if sandbox.link and sandbox.state == "READY":
            self.pool.drop(sandbox.link)
        sandboxes.remove_files(sandbox.directory, self.syscalls)
        self.launcher.ahead.replace()
        self._remove_group(sandbox.group)

    # -- small ones ------------------------------------------------------------------------------------

    def _of(self, sandbox_id: str) -> list[Container]:
        return [c for c in self.containers.values() if c.sandbox_id == sandbox_id]

    def _sandbox(self, sandbox_id: str) -> Sandbox:
        if sandbox_id not in self.sandboxes:
            raise Refused("NotFound", f"sandbox {sandbox_id}")
        return self.sandboxes[sandbox_id]

    def _container(self, container_id: str) -> Container:
        if container_id not in self.containers:
            raise Refused("NotFound", f"container {container_id}")
        return self.containers[container_id]

    def _write_limits(self, group: str, writes: Any) -> None:
        try:
            self.tree.write(group, writes)
        except OSError as refused:
            raise Refused("Failed", _words(refused)) from refused

    def _state_to_record(self, container: Container) -> Message:
        return {**container.state, "boot_id": self.boot_id}

    def _save(self, container: Container) -> None:
        """What has happened has happened, also when the disk is full: then only the memory knows."""
        try:
            self.records.save_state(container.id, self._state_to_record(container))
        except OSError as refused:
            note(f"container {container.id}: its state could not be recorded: {_words(refused)}")

    def _save_sandbox(self, sandbox: Sandbox) -> None:
        try:
            self.records.save_sandbox(sandbox.id, sandbox.record())
        except OSError as refused:
            note(f"sandbox {sandbox.id}: its state could not be recorded: {_words(refused)}")


def note(text: str) -> None:
    """A line in spawner.log; a full disk is no reason to end."""
    with contextlib.suppress(OSError):
        os.write(2, f"spawner: {text}\n".encode())


def _words(refused: OSError) -> str:
    if refused.filename:
        return f"{refused.filename}: {refused.strerror}"
    return refused.strerror or str(refused)
