"""Transcripts of shell sessions as tests: what a user types, and what must come back.

    # words about what follows, after an empty line
    $ kubectl get pods -o name | sort      a command for bash, in the transcript's own directory
    pod/a                                  its output, stdout and stderr as a terminal would show them
    [1]                                    its exit code, where that is not 0
    $ kubectl apply -f - <<EOF             here-documents end as in the shell
    ...
    EOF
    ...                                    any number of lines, or none

Both sides are normalised before they are compared, so that an expected text may be pasted from a
real run: ages, instants, addresses, generated names, uids, digests and column widths do not count,
nor does the wording of one release of kubectl or another.
"""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubectl_words import one_wording

ANYTHING = "..."
_GENERATED = "[bcdfghjklmnpqrstvwxz2456789]"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uid>"),
        (r"\b(sha256:)?[0-9a-f]{64}\b", "<digest>"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?Z| [+-]\d{4})?", "<time>"),
        (r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
        (r"\b\d{1,3}(\.\d{1,3}){3}\b(?!/\d)", "<ip>"),
        (rf"-{_GENERATED}{{7,10}}-{_GENERATED}{{5}}\b", "-<hash>-<id>"),
        (rf"-{_GENERATED}{{7,10}}\b", "-<hash>"),
        (rf"(pod-template-hash=){_GENERATED}{{7,10}}\b", r"\1<hash>"),
        (rf"-{_GENERATED}{{5}}\b", "-<id>"),
        (rf"kube-api-access-{_GENERATED}{{5}}\b", "kube-api-access-<id>"),
        (r'("?resourceVersion"?: ")\d+"', r'\1<version>"'),
        (r"\b\d+\.\d+s\b", "<age>"),
        (r"(?<![\w=-])\d+[smhd](\d+[smh])?\b", "<age>"),
        (r":3[0-2]\d{3}/", ":<nodeport>/"),
        (r"(Resource Version: +)\d+", r"\1<version>"),
        (r"(?<=[a-z]:)\d+ ->", "<port> ->"),
        (r"(?<=\S)[ \t]{2,}(?=\S)", "  "),
        (r"[ \t]+$", ""),
    )
)


def normalised(text: str) -> list[str]:
    lines = []
    for line in one_wording(text).splitlines():
        for pattern, replacement in _RULES:
            line = pattern.sub(replacement, line)
        lines.append(line)
    return lines


@dataclass(frozen=True, slots=True)
class Step:
    line: int  # where it stands in its file
    command: str
    expected: tuple[str, ...]
    code: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    step: Step
    code: int
    output: tuple[str, ...]

    def __str__(self) -> str:
        diff = difflib.unified_diff(
            self.step.expected, self.output, "expected", "what came", lineterm="", n=30
        )
        code = "" if self.code == self.step.code else f"exit code {self.code}, not {self.step.code}\n"
        return f"line {self.step.line}: $ {self.step.command}\n{code}" + "\n".join(list(diff)[2:])


def parse(text: str) -> list[Step]:
    """Raises ValueError where a here-document does not end."""
    lines, steps, at = text.splitlines(), [], 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            if lines[at] and not lines[at].startswith("#"):
                raise ValueError(f"line {at + 1} belongs to no command: {lines[at]!r}")
            at += 1
            continue
        start, command = at, [lines[at][2:]]
        at += 1
        if here := re.search(r"<<-?'?(\w+)'?", command[0]):
            end = lines.index(here[1], at) + 1
            command += lines[at:end]
            at = end
        output, code = [], 0
        while at < len(lines) and not lines[at].startswith("$ "):
            if lines[at].startswith("# ") and not lines[at - 1]:
                break
            output.append(lines[at])
            at += 1
        while output and not output[-1].strip():
            output.pop()
        if output and (exit_code := re.fullmatch(r"\[(\d+)\]", output[-1])):
            code = int(exit_code[1])
            output.pop()
        steps.append(Step(start + 1, "\n".join(command), tuple(normalised("\n".join(output))), code))
    return steps


def matches(expected: Sequence[str], output: Sequence[str]) -> bool:
    """Whether `output` is `expected`, whose lines of "..." stand for any lines."""
    if not expected:
        return not output
    if expected[0] == ANYTHING:
        return any(matches(expected[1:], output[skip:]) for skip in range(len(output) + 1))
    return bool(output) and expected[0] == output[0] and matches(expected[1:], output[1:])


def run(
    step: Step, directory: Path, environment: Mapping[str, str], timeout_s: float = 30
) -> Mismatch | None:
    """None where it went as written. Never raises for what the command does."""
    script = f"set -o pipefail\n{step.command}\n"
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=dict(environment),
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as expired:
        seen = (expired.stdout or b"").decode(errors="replace")
        return Mismatch(step, -1, (*normalised(seen), f"(no end after {timeout_s:.0f} s)"))
    output = tuple(normalised(done.stdout.decode(errors="replace")))
    while output and not output[-1]:
        output = output[:-1]
    if done.returncode == step.code and matches(step.expected, output):
        return None
    return Mismatch(step, done.returncode, output)
