"""What an unmodified kubectl prints and returns on a running cluster, command by command, as kubectl_cases.yaml tells it.

Beside exit codes the output is compared, after ages, addresses, times and generated suffixes are put to one form. Where
kubectl's own words changed between its releases, `normalised` maps them to one of the two.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubectl_words import one_wording

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH"),
]
GROUPS = yaml.safe_load(Path(__file__).with_name("kubectl_cases.yaml").read_text())
RULES = (
    (r"(?m)^[WIE]\d{4} \d\d:.*\n?", ""),  # kubectl's own log
    (r"(?m)^Warning: no controller acts on .*\n?", ""),
    (r"/tmp/(LIVE|MERGED)-\d+", r"\1"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "TIME"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
    (r'"resourceVersion": "\d+"', '"resourceVersion": "N"'),
    (r"https://127\.0\.0\.1:\d+", "SERVER"),
    (r"\b(10\.\d+\.\d+\.\d+|127\.0\.0\.1)\b", "IP"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
    (r"-[0-9a-z]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-HASH"),
    (r"\b\d+(m\d+)?s\b", "AGE"),
    (r"[ \t]+", " "),
    (r"(?m)^ | $", ""),
)


def normalised(text: str, namespace: str, directory: str) -> str:
    text = (
        one_wording(text).replace(directory, "DIR").replace(namespace, "NS").replace("kctl-compat", "CLUSTER")
    )
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    return text.strip()


class Shell:
    """kubectl in a directory of its own, with a kubeconfig and a discovery cache of its own."""

    def __init__(self, kubeconfig: Path, namespace: str, directory: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        for context in config["contexts"]:
            context["context"]["namespace"] = namespace
        (directory / ".kubeconfig").write_text(yaml.safe_dump(config))
        self.namespace, self.directory = namespace, directory
        self.env = {
            **os.environ,
            "HOME": str(directory),
            "KUBECONFIG": str(directory / ".kubeconfig"),
            "KUBE_EDITOR": "sed -i s/red/violet/",
            "TZ": "UTC",
        }

    def run(self, line: str) -> tuple[int, str]:
        done = subprocess.run(
            ["kubectl", *shlex.split(line.replace("NS", self.namespace))],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.directory,
            env=self.env,
            check=False,
        )
        return done.returncode, normalised(done.stdout + done.stderr, self.namespace, str(self.directory))


def wrong(case: dict[str, Any], code: int, output: str) -> bool:
    if code != case.get("exit", 0):
        return True
    if "has" in case:
        return not all(one_wording(part) in output for part in case["has"])
    return output != one_wording(str(case.get("out", ""))).strip()


@pytest.fixture
def shell(compat_cluster, namespace, tmp_path) -> Shell:
    return Shell(compat_cluster.kubeconfig, namespace, tmp_path)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("group", GROUPS, ids=[group["group"] for group in GROUPS])
def test_commands_print_and_return_what_they_do_upstream(group, shell):
    for name, text in group.get("files", {}).items():
        file = shell.directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("NS", shell.namespace))
    found = []
    for case in group["cases"]:
        code, output = shell.run(case["run"])
        if "Unknown stream id" in output:
            # kubectl before 1.33 may meet an answer before it has made the streams for it, and loses it.
            code, output = shell.run(case["run"])
        if wrong(case, code, output):
            wanted = case.get("has") or case.get("out", "")
            found.append(
                f"kubectl {case['run']}\n  exit {code}, wanted {case.get('exit', 0)} and\n{wanted}\n  got\n{output}"
            )
    assert not found, "\n\n".join(found)


def test_commands_compared_are_as_many_as_promised():
    runs = [case["run"] for group in GROUPS for case in group["cases"]]
    assert len(set(runs)) >= 150


def test_proxy_passes_the_api_on_without_credentials(shell):
    """`kubectl proxy` and what people run against it: plain HTTP on loopback."""
    process = subprocess.Popen(
        ["kubectl", "proxy", "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=shell.env,
    )
    try:
        assert process.stdout is not None
        address = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert address
        with urllib.request.urlopen(
            f"http://{address[0]}/api/v1/namespaces/{shell.namespace}", timeout=10
        ) as answer:
            assert answer.status == 200
            assert b'"Namespace"' in answer.read()
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_watch_prints_changes_as_they_come(shell):
    shell.run("create configmap first")
    process = subprocess.Popen(
        [
            "kubectl",
            "get",
            "configmaps",
            "--watch",
            "-o",
            "name",
            "--field-selector=metadata.name!=kube-root-ca.crt",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=shell.env,
    )
    try:
        assert process.stdout is not None
        assert (
            process.stdout.readline() == "configmap/first\n"
        )  # it has listed: what comes now is told by its watch
        shell.run("create configmap second")
        assert process.stdout.readline() == "configmap/second\n"
    finally:
        process.terminate()
        process.communicate(timeout=10)
