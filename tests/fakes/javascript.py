"""The program of JavaScript that drives @kubernetes/client-node (tests/compat/javascript), as tests run it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PROGRAM = REPO / "tests/compat/javascript/client.mjs"
LIBRARY = REPO / ".venv/javascript/node_modules/@kubernetes/client-node/dist/index.js"
# In the order in which the program tells them; those on real containers run by name only.
_ANYWHERE, _ON_CONTAINERS = PROGRAM.read_text().split("const onContainers")
SCENARIOS = re.findall(r"(?m)^  async (\w+)\(\)", _ANYWHERE)
ON_CONTAINERS = re.findall(r"(?m)^  async (\w+)\(\)", _ON_CONTAINERS)


@dataclass(frozen=True, slots=True)
class ClientNode:
    node: str

    @classmethod
    def installed(cls) -> ClientNode:
        """Skips the test that asks where there is none."""
        node = shutil.which("node")
        if node is None:
            pytest.skip("there is no node on the PATH")
        if not LIBRARY.exists():
            pytest.skip("@kubernetes/client-node is not installed: tools/setup.sh test-packages")
        return cls(node)

    def run(self, kubeconfig: Path, namespace: str, *scenarios: str) -> dict[str, str]:
        """Each scenario and what went wrong in it."""
        done = subprocess.run(
            [self.node, str(PROGRAM), str(LIBRARY), str(kubeconfig), namespace, *scenarios],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return {each["name"]: each["error"] for each in told}
