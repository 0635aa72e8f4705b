"""RuntimeService without a kernel: containers are timers on the loop.

For the simulator, `kctl up --fake-runtime` and tests of whoever drives a runtime. In come a Clock, a
seeded Random and the pod CIDR; every verb takes its configured delay, containers end as their `Program`
says (fake_programs.py), and faults are injected by `kill`, `oom_kill`, `crash_sandbox`, `reboot` and
`fail_next`. Passes tests/contract/runtime like the real one.

Invariants: no threads, no processes, no sockets; the same seed and calls give the same ids, addresses,
times and events. Its state outlives `close()` and `start()`, as containers outlive an agent; `reboot`
is what ends them all. Log files are written only where the sandbox's log directory exists.
"""

from __future__ import annotations

import asyncio
import os
import signal as signals
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random

from machinery.clock import Clock
from machinery.version import VERSION
from runtime.cri import (
    Container,
    ContainerConfig,
    ContainerEvent,
    ContainerState,
    ContainerStats,
    EventType,
    ExecResult,
    ExecStream,
    LinuxResources,
    NotFoundInRuntime,
    RuntimeCondition,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    SandboxState,
    require_handler,
)
from runtime.events import EventBus, EventFeed
from runtime.fake_container import Running
from runtime.fake_images import FakeImages
from runtime.fake_programs import Program, program_of, signal_number
from runtime.fake_streams import FakeConnection, FakeStream
from runtime.log_format import log_line
from runtime.network.ipam import AddressesExhausted, AddressPool

__all__ = ["Delays", "FakeImages", "FakeRuntime", "Program"]

SIGKILL = int(signals.SIGKILL)


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds each verb takes; up to `jitter` of it more, by the passed Random."""

    sandbox_s: float = 0.01
    create_s: float = 0.005
    start_s: float = 0.01
    stop_sandbox_s: float = 0.01
    remove_s: float = 0.0
    jitter: float = 0.2


class FakeRuntime:
    """`behaviour(config) -> Program | None` decides how a container runs; None leaves it to its command."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        images: FakeImages,
        *,
        pod_cidr: str = "10.244.0.0/24",
        delays: Delays = Delays(),
        behaviour: Callable[[ContainerConfig], Program | None] | None = None,
        on_exec: Callable[[Container, Sequence[str]], ExecResult | None] | None = None,
        on_connect: Callable[[Sandbox, int], Callable[[bytes], bytes] | None] | None = None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._images = images
        self._pool = AddressPool(pod_cidr)
        self._delays = delays
        self.behaviour = behaviour
        self.on_exec = on_exec
        self.on_connect = on_connect
        self.conditions = (RuntimeCondition("RuntimeReady", True), RuntimeCondition("NetworkReady", True))
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Running] = {}
        self._failures: dict[str, list[RuntimeFailure]] = {}
        self._events = EventBus()
        self._next_pid = 1000

    # -- faults ----------------------------------------------------------------------------------------

    def fail_next(self, verb: str, failure: RuntimeFailure) -> None:
        """The next call of a verb (run_pod_sandbox, create_container, start_container) raises it."""
        self._failures.setdefault(verb, []).append(failure)

    def kill(self, container_id: str, sig: int = SIGKILL) -> None:
        """As `kill -9` of the container's process would."""
        self._exit(self._container(container_id), 128 + sig, sig)

    def oom_kill(self, container_id: str) -> None:
        self._exit(self._container(container_id), 137, SIGKILL, "OOMKilled")

    def exit(self, container_id: str, code: int = 0) -> None:
        self._exit(self._container(container_id), code, 0)

    def crash_sandbox(self, sandbox_id: str) -> None:
        """The sandbox is lost with all its containers, as when its namespaces go away."""
        self._stop_all(sandbox_id)
        self._mark_not_ready(sandbox_id)

    def reboot(self) -> None:
        """The node lost power: every container has exited, every sandbox is not ready."""
        for sandbox_id in list(self._sandboxes):
            self.crash_sandbox(sandbox_id)

    # -- the runtime itself ----------------------------------------------------------------------------

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        self._events.close()

    async def version(self) -> tuple[str, str]:
        return "kctl-fake", VERSION

    async def status(self) -> Sequence[RuntimeCondition]:
        return self.conditions

    async def update_pod_cidr(self, cidr: str) -> None:
        pool = AddressPool(cidr)
        if pool.network != self._pool.network:
            for owner, address in self._pool.snapshot().items():
                pool.restore(owner, address)
            self._pool = pool

    def events(self) -> EventFeed:
        return self._events.subscribe()

    # -- sandboxes -------------------------------------------------------------------------------------

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        require_handler(config.runtime_handler)
        await self._take("run_pod_sandbox", self._delays.sandbox_s)
        sandbox_id = self._new_id()
        ips: tuple[str, ...] = ()
        if not config.namespaces.host_network:
            try:
                ips = (self._pool.allocate(sandbox_id),)
            except AddressesExhausted as refused:
                raise RuntimeFailure("FailedCreatePodSandBox", str(refused)) from refused
        sandbox = Sandbox(sandbox_id, config, SandboxState.READY, self._now_ns(), ips, "")
        self._sandboxes[sandbox_id] = sandbox
        self._publish(EventType.CREATED, sandbox_id, sandbox)
        self._publish(EventType.STARTED, sandbox_id, sandbox)
        return sandbox

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        if sandbox_id not in self._sandboxes:
            return
        await self._wait(self._delays.stop_sandbox_s)
        if sandbox_id in self._sandboxes:
            self._stop_all(sandbox_id)
            self._mark_not_ready(sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        await self.stop_pod_sandbox(sandbox_id)
        for running in self._of_sandbox(sandbox_id):
            self._remove(running)
        if sandbox := self._sandboxes.pop(sandbox_id, None):
            self._publish(EventType.DELETED, sandbox_id, sandbox)

    async def pod_sandbox_status(self, sandbox_id: str) -> Sandbox:
        return self._sandbox(sandbox_id)

    async def list_pod_sandboxes(self) -> Sequence[Sandbox]:
        return tuple(self._sandboxes.values())

    async def update_sandbox_resources(self, sandbox_id: str, resources: LinuxResources) -> None:
        sandbox = self._sandbox(sandbox_id)
        self._sandboxes[sandbox_id] = replace(sandbox, config=replace(sandbox.config, resources=resources))

    # -- containers ------------------------------------------------------------------------------------

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        sandbox = self._sandbox(sandbox_id)
        await self._take("create_container", self._delays.create_s)
        if self._sandbox(sandbox_id).state is not SandboxState.READY:
            raise RuntimeFailure("CreateContainerError", f"sandbox {sandbox_id} is not running")
        image = self._images.find(config.image)
        if image is None:
            raise RuntimeFailure("CreateContainerError", f"image {config.image!r} is not present")
        container_id = self._new_id()
        status = Container(
            id=container_id,
            sandbox_id=sandbox_id,
            config=config,
            state=ContainerState.CREATED,
            image_id=image.id,
            image_ref=image.repo_digests[0] if image.repo_digests else image.id,
            created_at_ns=self._now_ns(),
            log_path=os.path.join(sandbox.config.log_directory, config.log_path) if config.log_path else "",
        )
        self._containers[container_id] = Running(status, await self._program(config, image.id))
        self._publish(EventType.CREATED, container_id, sandbox)
        return container_id

    async def start_container(self, container_id: str) -> None:
        running = self._container(container_id)
        if running.status.state is not ContainerState.CREATED or running.starting:
            raise RuntimeFailure(
                "RunContainerError",
                f"container {container_id} is in state {running.status.state.value}, not created",
            )
        running.starting = True
        failure: RuntimeFailure | None = None
        try:
            await self._take("start_container", self._delays.start_s)
        except RuntimeFailure as raised:
            failure = raised
        finally:
            running.starting = False
        if container_id not in self._containers:
            raise NotFoundInRuntime(f"container {container_id}")
        if running.program.start_error and failure is None:
            failure = RuntimeFailure("RunContainerError", running.program.start_error)
        if failure is not None:
            self._fail_start(running, str(failure))
            raise failure
        self._begin(running)

    async def stop_container(self, container_id: str, timeout_s: float) -> None:
        running = self._containers.get(container_id)
        if running is None or running.status.state is not ContainerState.RUNNING:
            return
        program = running.program
        sig = signal_number(running.status.config.stop_signal)
        if timeout_s > 0 and program.stop_s is not None and program.stop_s < timeout_s:
            code = 128 + sig if program.stop_exit_code is None else program.stop_exit_code
            wait_s, ends = program.stop_s, (code, sig if program.stop_exit_code is None else 0)
        else:
            wait_s, ends = max(timeout_s, 0.0), (137, SIGKILL)
        if wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await running.exited.wait()
            except TimeoutError:
                pass
        self._exit(running, *ends)

    async def remove_container(self, container_id: str) -> None:
        running = self._containers.get(container_id)
        if running is None:
            return
        self._exit(running, 137, SIGKILL)
        await self._wait(self._delays.remove_s)
        if container_id in self._containers:
            self._remove(running)

    async def container_status(self, container_id: str) -> Container:
        return self._container(container_id).status

    async def list_containers(self, sandbox_id: str = "") -> Sequence[Container]:
        return tuple(
            running.status
            for running in self._containers.values()
            if not sandbox_id or running.status.sandbox_id == sandbox_id
        )

    async def update_container_resources(self, container_id: str, resources: LinuxResources) -> None:
        running = self._container(container_id)
        config = replace(running.status.config, resources=resources)
        running.status = replace(running.status, config=config)

    async def reopen_container_log(self, container_id: str) -> None:
        self._require_running(container_id)

    async def container_stats(self, container_id: str) -> ContainerStats:
        return self._stats(self._container(container_id).status)

    async def list_container_stats(self) -> Sequence[ContainerStats]:
        return tuple(
            self._stats(running.status)
            for running in self._containers.values()
            if running.status.state is ContainerState.RUNNING
        )

    # -- sessions --------------------------------------------------------------------------------------

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_s: float = 0) -> ExecResult:
        status = self._require_running(container_id).status
        answer = self.on_exec(status, command) if self.on_exec else None
        if answer is not None:
            return answer
        program = program_of(command)
        if program.start_error:
            raise RuntimeFailure("ExecError", program.start_error)
        runs_s = program.runs_s or 0.0
        if timeout_s and runs_s >= timeout_s:
            await self._clock.sleep(timeout_s)
            raise TimeoutError(f"command {list(command)!r} timed out after {timeout_s:g} s")
        await self._clock.sleep(runs_s)
        text = "".join(f"{line}\n" for line in program.stdout)
        return ExecResult(program.exit_code, text.encode(), b"")

    @asynccontextmanager
    async def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> AsyncIterator[ExecStream]:
        running = self._require_running(container_id)
        program = program_of(command)
        name = command[0].rsplit("/", 1)[-1] if command else ""
        stream = FakeStream(echo=stdin and name in ("cat", "sh", "bash", "ash"))
        running.streams.append(stream)
        timer: asyncio.TimerHandle | None = None
        if not (stdin and name in ("cat", "sh", "bash", "ash")):
            answer = self.on_exec(running.status, command) if self.on_exec else None
            if answer is not None:
                stream.feed(answer.stdout)
                stream.feed(answer.stderr, 1 if tty else 2)
                stream.finish(answer.exit_code)
            else:
                stream.feed("".join(f"{line}\n" for line in program.stdout).encode())
                delay_s = program.runs_s or 0.0
                timer = asyncio.get_running_loop().call_later(delay_s, stream.finish, program.exit_code)
        try:
            yield stream
        finally:
            if timer is not None:
                timer.cancel()
            running.streams.remove(stream)

    @asynccontextmanager
    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> AsyncIterator[ExecStream]:
        running = self._require_running(container_id)
        stream = FakeStream(ends_with_input=stdin and (tty or not running.status.config.stdin_once))
        running.streams.append(stream)
        try:
            yield stream
        finally:
            running.streams.remove(stream)

    async def port_forward(self, sandbox_id: str, port: int) -> FakeConnection:
        sandbox = self._sandbox(sandbox_id)
        answer = self.on_connect(sandbox, port) if self.on_connect else None
        if answer is None:
            raise RuntimeFailure("PortForwardError", f"dial tcp4 127.0.0.1:{port}: connection refused")
        return FakeConnection(answer)

    # -- inside ----------------------------------------------------------------------------------------

    async def _take(self, verb: str, delay_s: float) -> None:
        await self._wait(delay_s)
        if queued := self._failures.get(verb):
            raise queued.pop(0)

    async def _wait(self, delay_s: float) -> None:
        if delay_s > 0:
            await self._clock.sleep(delay_s * (1 + self._delays.jitter * self._rng.random()))

    async def _program(self, config: ContainerConfig, image_id: str) -> Program:
        chosen = self.behaviour(config) if self.behaviour else None
        if chosen is not None:
            return chosen
        image = await self._images.image_config(image_id)
        command = config.command or image.entrypoint
        args = config.args or (() if config.command else image.cmd)
        return program_of([*command, *args])

    def _begin(self, running: Running) -> None:
        self._next_pid += 1
        running.status = replace(
            running.status,
            state=ContainerState.RUNNING,
            started_at_ns=self._now_ns(),
            pid=self._next_pid,
        )
        program = running.program
        self._publish_of(EventType.STARTED, running)
        self._log(running, program.stdout)
        if program.runs_s is not None:
            loop = asyncio.get_running_loop()
            running.timer = loop.call_later(program.runs_s, self._exit, running, program.exit_code, 0)

    def _fail_start(self, running: Running, message: str) -> None:
        now_ns = self._now_ns()
        running.status = replace(
            running.status,
            state=ContainerState.EXITED,
            finished_at_ns=now_ns,
            exit_code=128,
            reason="StartError",
            message=message,
        )
        running.exited.set()
        self._publish_of(EventType.STOPPED, running)

    def _exit(self, running: Running, code: int, sig: int, reason: str = "") -> None:
        if running.status.state is not ContainerState.RUNNING:
            return
        if running.timer is not None:
            running.timer.cancel()
            running.timer = None
        running.status = replace(
            running.status,
            state=ContainerState.EXITED,
            finished_at_ns=self._now_ns(),
            exit_code=code,
            signal=sig,
            reason=reason or ("Completed" if code == 0 else "Error"),
            pid=0,
        )
        for stream in running.streams:
            stream.finish(code)
        running.exited.set()
        self._publish_of(EventType.STOPPED, running)

    def _remove(self, running: Running) -> None:
        self._exit(running, 137, SIGKILL)
        self._publish_of(EventType.DELETED, running)
        del self._containers[running.status.id]

    def _stop_all(self, sandbox_id: str) -> None:
        for running in self._of_sandbox(sandbox_id):
            self._exit(running, 137, SIGKILL)

    def _mark_not_ready(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is not None and sandbox.state is SandboxState.READY:
            self._pool.release(sandbox_id)
            self._sandboxes[sandbox_id] = replace(sandbox, state=SandboxState.NOTREADY)
            self._publish(EventType.STOPPED, sandbox_id, sandbox)

    def _log(self, running: Running, lines: Sequence[str]) -> None:
        path = running.status.log_path
        if not lines or not path or not os.path.isdir(os.path.dirname(os.path.dirname(path) or ".")):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        now_ns = self._now_ns()
        with open(path, "ab") as file:
            file.writelines(log_line(now_ns, "stdout", line.encode()) for line in lines)

    def _stats(self, status: Container) -> ContainerStats:
        running_ns = (self._now_ns() - status.started_at_ns) if status.started_at_ns else 0
        return ContainerStats(status.id, self._now_ns(), running_ns // 100, 4 << 20, 5 << 20, 3 << 20, 1)

    def _of_sandbox(self, sandbox_id: str) -> list[Running]:
        return [r for r in self._containers.values() if r.status.sandbox_id == sandbox_id]

    def _sandbox(self, sandbox_id: str) -> Sandbox:
        try:
            return self._sandboxes[sandbox_id]
        except KeyError:
            raise NotFoundInRuntime(f"sandbox {sandbox_id}") from None

    def _container(self, container_id: str) -> Running:
        try:
            return self._containers[container_id]
        except KeyError:
            raise NotFoundInRuntime(f"container {container_id}") from None

    def _require_running(self, container_id: str) -> Running:
        running = self._container(container_id)
        if running.status.state is not ContainerState.RUNNING:
            raise RuntimeFailure("ExecError", f"container {container_id} is not running")
        return running

    def _publish_of(self, kind: EventType, running: Running) -> None:
        sandbox = self._sandboxes.get(running.status.sandbox_id)
        if sandbox is not None:
            self._publish(kind, running.status.id, sandbox)

    def _publish(self, kind: EventType, container_id: str, sandbox: Sandbox) -> None:
        self._events.publish(
            ContainerEvent(kind, container_id, sandbox.id, sandbox.config.uid, self._now_ns())
        )

    def _new_id(self) -> str:
        return f"{self._rng.getrandbits(256):064x}"

    def _now_ns(self) -> int:
        return int(self._clock.now() * 1e9)
