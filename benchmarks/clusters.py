"""A throw-away cluster, brought up by `kctl up` as a person would; and a throw-away API server alone.

Both end with their `with` block, whatever happened in it, and leave no process and no file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import procfs
from benchmarks.rows import Skipped
from standalone import config as cluster_config
from standalone.config import ClusterConfig
from standalone.kubeconfigs import write_kubeconfigs
from standalone.layout import Layout, layout_of
from standalone.pki import component_leaves, ensure_pki, server_leaves, utc_now
from standalone.probe import Prober, wait_until
from standalone.programs import api_server_names, plan_programs
from standalone.supervisor import read_state

ROOT = Path(__file__).parent.parent
KCTL = str(Path(sys.executable).with_name("kctl"))
_DOWN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class UpTimes:
    """Seconds from starting the process to the line, and to its end."""

    api_s: float
    ready_s: float


@dataclass(frozen=True, slots=True)
class Cluster:
    name: str
    layout: Layout
    env: dict[str, str]
    native: bool
    port: int

    def kctl(self, *words: str) -> str:
        """Its output. Raises CalledProcessError."""
        return subprocess.run(
            [KCTL, *words],
            env=self.env,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=90,
            stdin=subprocess.DEVNULL,
        ).stdout

    def up(self) -> UpTimes:
        """Raises Skipped with kctl's words when it does not come up."""
        command = [
            KCTL,
            "up",
            self.name,
            f"--api-port={self.port}",
            *([] if self.native else ["--fake-runtime"]),
        ]
        started = time.perf_counter()
        with subprocess.Popen(
            command,
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            api_s = ready_s = 0.0
            for line in process.stdout:
                if "API answering" in line:
                    api_s = time.perf_counter() - started
            process.wait()
            ready_s = time.perf_counter() - started
            if process.returncode:
                words = process.stderr.read().strip()
                print(words, file=sys.stderr)
                first = words.partition("\n")[0].replace(str(self.layout.root), "DATA_DIR")
                raise Skipped(f"`kctl up` failed: {first}")
        return UpTimes(api_s, ready_s)

    def down(self, *, delete: bool) -> float:
        started = time.perf_counter()
        self.kctl("down", self.name, *(["--delete"] if delete else []))
        return time.perf_counter() - started

    def processes(self) -> dict[int, str]:
        """Everything the cluster runs, containers included: (pid, name)."""
        state = read_state(self.layout)
        supervisor = state.get("supervisor")
        roots = [supervisor] if isinstance(supervisor, int) else []
        return {
            pid: procfs.name_of(pid) for pid in procfs.tree([*roots, *procfs.naming(str(self.layout.root))])
        }


def new_cluster(directory: Path, name: str, *, native: bool) -> Cluster:
    """Describes it; `up()` starts it."""
    if native and os.geteuid() != 0:
        raise Skipped("real containers need root")
    layout = layout_of(name, directory / name)
    env = {
        **os.environ,
        "KCTL_HOME": str(directory),
        "KUBECONFIG": str(layout.kubeconfig),
        "HOME": str(directory),
    }
    return Cluster(name, layout, env, native, cluster_config.free_port())


@contextmanager
def running_cluster(directory: Path, name: str, *, native: bool) -> Iterator[Cluster]:
    cluster = new_cluster(directory, name, native=native)
    try:
        cluster.up()
        yield cluster
    finally:
        take_down(cluster)


def take_down(cluster: Cluster) -> None:
    """Whatever state it is in; names what would not go."""
    if not cluster.layout.root.exists():
        return
    try:
        cluster.down(delete=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        words = error.stderr if isinstance(error.stderr, str) and error.stderr else str(error)
        print(f"  ! could not take {cluster.name} down: {words}", file=sys.stderr)


# -- an API server alone -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """The server as `kctl up` runs it (TLS, RBAC, default admission, audit log, sqlite), without other components."""

    pid: int
    port: int
    layout: Layout
    start_s: float  # from the start of its process until it answered ready

    @property
    def credentials(self) -> dict[str, str]:
        pki = self.layout.pki
        return {"ca": str(pki / "ca.crt"), "cert": str(pki / "admin.crt"), "key": str(pki / "admin.key")}


@contextmanager
def running_server(directory: Path, name: str = "api") -> Iterator[ServerProcess]:
    layout = layout_of(name, directory / name)
    layout.make()
    config = ClusterConfig(name, "fake", "sqlite", cluster_config.free_port(), 0)
    leaves = [*component_leaves([]), *server_leaves(api_server_names(config), [])]
    ensure_pki(layout.pki, leaves, utc_now())
    write_kubeconfigs(layout, config)
    program = plan_programs(layout, config)[0]
    with layout.log("apiserver").open("ab") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "apiserver", *program.argv],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        prober = Prober(layout, config)
        if not wait_until(
            prober.is_api_ready, time.monotonic() + 30, stop=lambda: _check_alive(process, layout)
        ):
            raise Skipped("the API server does not answer within 30 s")
        start_s = time.perf_counter() - started
        prober.close()
        yield ServerProcess(process.pid, config.api_port, layout, start_s)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _check_alive(process: subprocess.Popen[bytes], layout: Layout) -> None:
    if process.poll() is not None:
        words = layout.log("apiserver").read_text(errors="replace")[-1500:]
        raise Skipped(f"the API server ended with {process.returncode}: {words}")
