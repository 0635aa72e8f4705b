"""Clusters as a user has them: processes brought up by `kctl up` below a KCTL_HOME of their own, and their command
lines. `kubectl` is the machine's, with a discovery cache of this home's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

REPO = Path(__file__).parents[2]


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

    def troubles(self) -> list[str]:
        """Components that ended, and what any of them logged as an error: a cluster at peace has neither."""
        found = []
        for log in sorted((self.data_dir / "logs").glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            marks = ("Traceback", '"level": "error"', "supervisor: ")
            bad = [at for at, line in enumerate(lines) if any(mark in line for mark in marks)]
            found += [f"{log.name}: {line[:2000]}" for at in bad[:3] for line in lines[at : at + 25]]
        return found

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


@contextmanager
def home() -> Iterator[Path]:
    """A KCTL_HOME in /tmp, not pytest's: a unix socket's path below it must stay under 108 characters."""
    path = Path(tempfile.mkdtemp(prefix="kctl-e2e-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(name: str, *flags: str) -> Iterator[Cluster]:
    with home() as directory:
        made = make_cluster(directory, name)
        try:
            made.kctl("up", name, *flags).checked()
            yield made
            troubles = made.troubles()
        finally:
            down = made.kctl("down", name, "--delete")
        down.checked()
        assert not troubles, "\n".join(troubles)


def old_kubectl() -> str | None:
    """A kubectl from before websockets: KCTL_TEST_OLD_KUBECTL, kubectl-1.20 on the PATH, or what tools/setup.sh unpacked."""
    unpacked = REPO / ".venv/kubectl-1.20/kubectl"
    named = os.environ.get("KCTL_TEST_OLD_KUBECTL") or shutil.which("kubectl-1.20")
    return named or (str(unpacked) if unpacked.exists() else None)


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
