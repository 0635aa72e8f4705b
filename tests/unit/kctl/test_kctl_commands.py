"""The table of verbs, help, typos, completion without a cluster, and what starting costs."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from kctl.__main__ import main, verb_flags
from kctl.command import COMMANDS, PARTS
from kctl.completing import complete

MODULES = sorted(
    {
        module
        for command in COMMANDS
        if command.group != PARTS
        for module in ([command.module] if not command.subcommands or command.stands_alone else [])
        + [module for _, module, _ in command.subcommands]
    }
)


@pytest.mark.parametrize("name", MODULES)
def test_every_verb_is_whole(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert module.EXAMPLES
    assert module.USAGE
    assert callable(module.run)
    flags = verb_flags(module)
    names = [flag.name for flag in flags]
    shorts = [flag.short for flag in flags if flag.short]
    assert len(names) == len(set(names)), names
    assert len(shorts) == len(set(shorts)), shorts
    assert all(flag.help or flag.hidden for flag in flags)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["gte", "pods"], 'unknown command "gte" for "kctl"\n\nDid you mean this?\n\tget'),
        (["rollout", "statsu"], "Did you mean this?\n\trollout status"),
        (["get", "pods", "--outptu=x"], "unknown flag: --outptu. Did you mean --output?"),
        (["create", "depoyment", "x"], "\tcreate deployment"),
    ],
)
def test_typo_suggests_the_right_word(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--help"], "Reading and writing objects:"),
        (["help", "get"], "--selector"),
        (["get", "--help"], "kctl get pods -A -o wide"),
        (["rollout"], "rollout undo"),
        (["create", "configmap", "-h"], "--from-literal"),
        (["create", "-h"], "create deployment"),
        (["config", "view", "--help"], "--minify"),
    ],
)
def test_help_shows_flags_and_examples(
    argv: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 0
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "current", "words", "directive"),
    [
        ([], "roll", ["rollout"], 4),
        (["rollout"], "re", ["restart", "resume"], 4),
        (["get", "pods"], "--wat", ["--watch", "--watch-only"], 4),
        (["get", "pods", "-o"], "j", ["json", "jsonpath="], 4),
        (["get", "pods"], "--output=y", ["--output=yaml"], 4),
        (["delete", "x", "--cascade=foreground"], "--cascade=o", ["--cascade=orphan"], 4),
        (["apply", "-f"], "", [], 0),
        (["exec", "web", "--"], "l", [], 0),
        (["create", "secret"], "t", ["tls"], 4),
        (["completion"], "", ["bash", "fish", "zsh"], 4),
        (["scale"], "dep", ["deployment/"], 6),
        (["nonsense"], "", [], 4),
    ],
)
def test_what_could_follow(before: list[str], current: str, words: list[str], directive: int) -> None:
    answer = complete(before, current)
    assert ([word for word, _ in answer.pairs], answer.directive) == (words, directive)


def test_completion_never_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert main(["__complete", "get", "pods", ""]) == 0
    assert capsys.readouterr().out == ":4\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_ask_kctl(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "__complete" in capsys.readouterr().out


def test_get_loads_nothing_slow() -> None:
    """Each of these costs a tenth or more of what a whole `kctl get pods` may take."""
    slow = ["typer", "rich", "yaml", "http.client", "dataclasses", "asyncio", "pydantic", "orjson", "urllib.parse", "difflib", "tempfile", "email"]  # fmt: skip
    code = f"import kctl.__main__, kctl.verbs.get, sys; print([m for m in {slow!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("argv", "args", "rest"),
    [
        (["exec", "web", "--", "ls", "-l"], ["web"], ["ls", "-l"]),
        (["create", "job", "j", "--image=i", "--", "date"], ["j"], ["date"]),
        (["create", "deployment", "d", "--", "date"], ["d"], ["date"]),
        (["run", "a", "--image=i", "--", "-x"], ["a"], ["-x"]),
        (["get", "pods", "--", "-odd"], ["pods", "-odd"], []),
    ],
)
def test_dashes_end_the_flags_and_begin_a_command_where_one_is_meant(
    argv: list[str], args: list[str], rest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("kctl.__main__._call", lambda module, options: seen.append(options) or 0)
    assert main(argv) == 0
    assert (seen[0].args, seen[0].rest) == (args, rest)
