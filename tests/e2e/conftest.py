"""Whole clusters as processes, and unmodified kubectl against them.

`cluster` has two nodes and the fake runtime and runs anywhere; `native_cluster` runs real containers
(root and kernel needed) from two images built of this machine's busybox. Each is brought up once for
a session by `kctl up`, as a user would, and taken down by `kctl down --delete`. Every kubectl call
has a discovery cache of this session's own. What is missing on a machine is skipped by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str

    def checked(self) -> str:
        assert self.code == 0, f"exit code {self.code}\n{self.out}{self.err}"
        return self.out


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster; `home` is its KCTL_HOME, `bin` holds this checkout's `kctl`."""

    name: str
    home: Path
    bin: Path
    scratch: Path

    @property
    def data_dir(self) -> Path:
        return self.home / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "KCTL_HOME": str(self.home),
            "KUBECACHEDIR": str(self.home / ".kubectl-cache"),
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "NO_COLOR": "1",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }

    def kubeconfig_for(self, namespace: str) -> Path:
        """A kubeconfig whose current namespace is `namespace`."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        for context in config["contexts"]:
            context["context"]["namespace"] = namespace
        path = self.scratch / f"kubeconfig-{namespace}"
        path.write_text(yaml.safe_dump(config))
        return path

    def run(
        self,
        *command: str,
        input: str | None = None,
        kubeconfig: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 45,
    ) -> Result:
        done = subprocess.run(
            command,
            input=input or "",
            capture_output=True,
            text=True,
            cwd=self.scratch,
            env={**self.environment(kubeconfig), **(env or {})},
            timeout=timeout_s,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def kubectl(
        self,
        *args: str,
        input: str | None = None,
        kubeconfig: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        return self.run("kubectl", *args, input=input, kubeconfig=kubeconfig, env=env)

    def kctl(self, *args: str, input: str | None = None, env: Mapping[str, str] | None = None) -> Result:
        return self.run("kctl", *args, input=input, env=env)


def make_cluster(home: Path, name: str) -> Cluster:
    """Describes a cluster that is not up yet."""
    bin_dir, scratch = home / ".bin", home / ".scratch"
    bin_dir.mkdir()
    scratch.mkdir()
    program = bin_dir / "kctl"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={REPO} exec {sys.executable} -m kctl "$@"\n')
    program.chmod(0o755)
    return Cluster(name, home, bin_dir, scratch)


def running(name: str, *flags: str) -> Iterator[Cluster]:
    # /tmp, not pytest's: a unix socket's path below it must stay under 108 characters
    home = Path(tempfile.mkdtemp(prefix="kctl-e2e-"))
    made = make_cluster(home, name)
    try:
        made.kctl("up", name, *flags).checked()
        yield made
    finally:
        down = made.kctl("down", name, "--delete")
        shutil.rmtree(home, ignore_errors=True)
        down.checked()


def why_no_containers() -> str:
    """Why this machine cannot run real containers; "" where it can."""
    if os.geteuid() != 0:
        return "real containers need root"
    if not shutil.which("busybox"):
        return "the images are built from busybox-static, which is not installed"
    probe = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True
    )
    return f"this kernel makes no namespaces for us: {probe.stderr.strip()}" if probe.returncode else ""


@pytest.fixture(scope="session")
def needs_kubectl() -> None:
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl on the PATH to test with")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes, fake runtime, any machine."""
    yield from running("tour", "--fake-runtime", "--nodes", "2")


@pytest.fixture(scope="session")
def native_cluster() -> Iterator[Cluster]:
    """One node, real containers, images localhost/web:1 and localhost/web:2."""
    if why := why_no_containers():
        pytest.skip(why)
    for cluster in running("native"):
        for version in ("1", "2"):
            cluster.kctl(
                "images", "build-busybox", "native", "--tag", f"localhost/web:{version}"
            ).checked()
        yield cluster
