"""`make demo`: the main job from nothing to the end, every step verified.

It runs `kctl` as a person would, in processes of its own, and checks each step by asking the API or the
kernel. It exits 0 only if every step held, and takes everything down in any case.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import manifests
from standalone.config import ClusterConfig, identity_of
from standalone.kernel_view import KernelView, look
from standalone.layout import layout_of

NAME = "demo"
TIMEOUT_S = 60.0
Obj = dict[str, Any]


class DemoFailed(Exception):
    """A step did not hold; str() says which and what was seen."""


class Terminal:
    """Step headings, live progress, and the times for the summary."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self._live = sys.stdout.isatty()
        self._shown = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        print(f"\n\033[1m▸ {title}\033[0m" if self._live else f"\n> {title}", flush=True)
        started = time.monotonic()
        yield
        took = time.monotonic() - started
        self.times.append((title, took))
        print(f"  ✓ {took:.2f} s", flush=True)

    def progress(self, text: str) -> None:
        """Overwrites itself on a terminal; elsewhere a line for each change."""
        if text == self._shown:
            return
        self._shown = text
        print(f"\r  {text}\033[K" if self._live else f"  {text}", end="" if self._live else "\n", flush=True)

    def end_progress(self) -> None:
        if self._live and self._shown:
            print()
        self._shown = ""

    def summary(self) -> None:
        print("\nWhat each step took:")
        for title, took in self.times:
            print(f"  {took:7.2f} s  {title}")


class Demo:
    def __init__(self, home: Path) -> None:
        self.terminal = Terminal()
        self._home = home
        self._layout = layout_of(NAME, home / NAME)
        self._env = {**os.environ, "KCTL_HOME": str(home), "KUBECONFIG": str(self._layout.kubeconfig)}

    @property
    def marks(self) -> tuple[str, ...]:
        """What a trace of this cluster bears in the kernel."""
        config = ClusterConfig(NAME, "native", "sqlite", 0, 0, identity=identity_of(self._layout))
        return (f"/kctl-{NAME}", f"kctl-{NAME}-", config.bridge, str(self._home))

    # -- running and asking ------------------------------------------------------------------------------

    def kctl(self, *words: str, show: bool = True) -> str:
        """Runs kctl and shows what it prints. Raises DemoFailed on a failure."""
        if show:
            print(f"  $ kctl {' '.join(words)}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "kctl", *words], env=self._env, capture_output=True, text=True, check=False
        )
        if show and done.stdout:
            print("".join(f"  {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
        if done.returncode != 0:
            raise DemoFailed(f"`kctl {' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def pods(self) -> list[Obj]:
        answer: Obj = json.loads(self.kctl("get", "pods", "-l", "app=web", "-o", "json", show=False))
        items: list[Obj] = answer["items"]
        return items

    def wait(self, what: str, check: Callable[[], str | None]) -> None:
        """`check` returns None when it holds, else how things stand."""
        deadline = time.monotonic() + TIMEOUT_S
        while (state := check()) is not None:
            self.terminal.progress(state)
            if time.monotonic() > deadline:
                self.terminal.end_progress()
                if self._layout.kubeconfig.exists():
                    self.kctl("get", "pods", "-o", "wide")
                    self.kctl("events")
                raise DemoFailed(f"{what}: after {TIMEOUT_S:.0f} s still {state}")
            time.sleep(0.05)
        self.terminal.end_progress()

    def wait_ready(self, count: int, image: str = "") -> None:
        def check() -> str | None:
            pods = [p for p in self.pods() if "deletionTimestamp" not in p["metadata"]]
            ready = [p for p in pods if is_ready(p) and (not image or images_of(p) == [image])]
            if len(ready) == count == len(pods):
                return None
            return f"{len(ready)}/{count} ready" + (f", {len(pods)} pods" if len(pods) != count else "")

        self.wait(f"{count} ready pods", check)
        print(f"  {count}/{count} ready")

    # -- the steps ---------------------------------------------------------------------------------------

    def run(self) -> None:
        step = self.terminal.step
        with step("Bring a cluster up"):
            self.kctl("up", NAME)
        with step("Build the demo's images from this machine's busybox"):
            for version in ("1", "2"):
                self.kctl("images", "build-busybox", NAME, "--tag", f"localhost/web:{version}")
        with step("Apply manifests/deploy.yaml"):
            self.kctl("apply", "-f", str(manifests.path("deploy.yaml")))
        with step("Wait until 3 of 3 are ready"):
            self.wait_ready(3)
        with step("Look at the pods"):
            self.kctl("get", "pods", "-o", "wide")
            self.kctl("get", "deployments,services")
        with step("Fetch the page from a pod"):
            self.fetch_page()
        with step("SIGKILL one container's process, and see it come back"):
            self.kill_container()
        with step("Delete a pod, and see its replacement"):
            self.delete_pod()
        with step("Scale to 5"):
            self.kctl("scale", "deployment/web", "--replicas=5")
            self.wait_ready(5)
        with step("Roll out a new version"):
            self.kctl("set", "image", "deployment/web", "web=localhost/web:2")
            self.kctl("rollout", "status", "deployment/web", "--timeout=60s")
            self.wait_ready(5, "localhost/web:2")
            self.kctl("get", "pods", "-o", "wide")

    def fetch_page(self) -> None:
        import urllib.request

        address = self.pods()[0]["status"]["podIP"]
        with urllib.request.urlopen(f"http://{address}:8080/index.html", timeout=5) as answer:
            page = answer.read().decode().strip()
        print(f"  http://{address}:8080/index.html → {page}")
        if page != "<h1>Served by kctl</h1>":
            raise DemoFailed("the page is not the one in the ConfigMap")

    def kill_container(self) -> None:
        pod = self.pods()[0]
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        victims = processes_of(uid)
        if not victims:
            raise DemoFailed(f"no process found in the cgroups of pod {name}")
        for pid in victims:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            print(f"  kill -9 {pid}   ({command} of pod {name})")
            os.kill(pid, signal.SIGKILL)

        def restarted() -> str | None:
            current = next(p for p in self.pods() if p["metadata"]["name"] == name)
            status = current["status"]["containerStatuses"][0]
            if status["restartCount"] >= 1 and is_ready(current):
                return None
            return f"{status['restartCount']} restarts, ready: {status['ready']}"

        self.wait("the container's restart", restarted)
        self.kctl("get", "pod", name)
        if set(processes_of(uid)) & set(victims):
            raise DemoFailed("a killed process is still there")

    def delete_pod(self) -> None:
        before = {p["metadata"]["name"] for p in self.pods()}
        gone = min(before)
        self.kctl("delete", "pod", gone)
        self.wait_ready(3)
        after = {p["metadata"]["name"] for p in self.pods()}
        if gone in after or len(after - before) != 1:
            raise DemoFailed(f"{gone} was to be replaced by one other pod; there are {sorted(after)}")
        print(f"  {gone} was replaced by {next(iter(after - before))}")

    def take_down(self) -> None:
        self.kctl("down", NAME, "--delete")

    def show_nothing_left(self, before: KernelView) -> None:
        def gone() -> str | None:
            left = look(self.marks).added_since(before)
            return f"{len(left)} things left: {', '.join(left[:5])}" if left else None

        self.wait("nothing left", gone)
        if self._layout.root.exists():
            raise DemoFailed(f"{self._layout.root} is still there")
        print("  no process, mount, network namespace, link, cgroup, firewall rule or file is left")


def is_ready(pod: Obj) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def images_of(pod: Obj) -> list[str]:
    return [container["image"] for container in pod["spec"]["containers"]]


def processes_of(uid: str) -> list[int]:
    """Every process in the pod's cgroups, read from the kernel."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"pod{uid}" in (entry / "cgroup").read_text() and (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return sorted(found)


def main() -> int:
    if os.geteuid() != 0:
        print("make demo runs real containers and needs root: sudo make demo", file=sys.stderr)
        return 1
    home = Path(tempfile.mkdtemp(prefix="kctl-demo-"))
    demo = Demo(home)
    before = look(demo.marks)
    code = 1
    try:
        demo.run()
        code = 0
    except DemoFailed as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        _show_logs(home)
    except KeyboardInterrupt:
        print("\ninterrupted: taking everything down", file=sys.stderr)
    try:
        with demo.terminal.step("Take everything down, and show that nothing is left"):
            demo.take_down()
            demo.show_nothing_left(before)
    except DemoFailed as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        code = 1
    shutil.rmtree(home, ignore_errors=True)
    demo.terminal.summary()
    print("\nEvery step was verified." if code == 0 else "\nThe demo failed; see above.")
    return code


def _show_logs(home: Path) -> None:
    for log in sorted((home / NAME / "logs").glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-8:]
        if lines and log.name != "audit.log":
            print(f"\n--- {log.name}\n" + "\n".join(line[:400] for line in lines), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
