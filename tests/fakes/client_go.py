"""Upstream's client-go, as the program of tools/upstream/client: found where its build leaves it, run a surface at a time.

`KCTL_CLIENT_GO` names another binary. Tests that need it skip where there is none, and say how to make it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest


def client_go() -> Path:
    """The program. Skips the test where it has not been built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = Path(os.environ.get("KCTL_CLIENT_GO") or cache / "kctl/upstream/client")
    if not os.access(program, os.X_OK):
        pytest.skip(f"{program} is not there: tools/setup.sh upstream-packages builds it (ten minutes)")
    return program


def steps(kubeconfig: Path, *args: str, input: str = "", timeout_s: float = 60) -> dict[str, str]:
    """What became of each step, by its name: "" where it did as it should. What else was printed is under "output"."""
    command = [str(client_go()), "-kubeconfig", str(kubeconfig), *args]
    done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=timeout_s)
    told: dict[str, str] = {}
    other = []
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            step = json.loads(line)
            told[step["step"]] = step.get("error", "")
        else:
            other.append(line)
    assert told, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    assert done.returncode in (0, 1), done.stderr
    if other:
        told["output"] = "\n".join(other)
    return told
