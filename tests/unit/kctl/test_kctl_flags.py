"""pflag's way of reading a command line, by table."""

from __future__ import annotations

from typing import Any

import pytest

from kctl.flags import Flag, UsageError, duration_s, parse

FLAGS = (
    Flag("output", "o", default=""),
    Flag("selector", "l", default=""),
    Flag("all", "A", type="bool", default=False),
    Flag("stdin", "i", type="bool", default=False),
    Flag("tty", "t", type="bool", default=False),
    Flag("wait", type="bool", default=True),
    Flag("replicas", type="int"),
    Flag("filename", "f", type="list", default=[]),
    Flag("literal", type="array", default=[]),
    Flag("dry-run", bare="client", default="none", choices=("none", "client", "server")),
    Flag("timeout", type="duration", default=0.0),
)


@pytest.mark.parametrize(
    ("argv", "key", "value"),
    [
        (["-o", "yaml"], "output", "yaml"),
        (["-oyaml"], "output", "yaml"),
        (["-o=yaml"], "output", "yaml"),
        (["--output=yaml"], "output", "yaml"),
        (["--output", "yaml"], "output", "yaml"),
        (["--output", "-x"], "output", "-x"),
        (["-lapp=web"], "selector", "app=web"),
        (["-l=app=web"], "selector", "app=web"),
        (["-it"], "tty", True),
        (["-Aoyaml"], "output", "yaml"),
        (["--wait=false"], "wait", False),
        (["--wait"], "wait", True),
        (["-A=false"], "all", False),
        (["--replicas=-1"], "replicas", -1),
        (["-f", "a", "-fb,c"], "filename", ["a", "b", "c"]),
        (["-f", 'a,"b,c"'], "filename", ["a", "b,c"]),
        (["--literal", "a=b,c", "--literal=d"], "literal", ["a=b,c", "d"]),
        ([], "filename", []),
        (["--dry-run"], "dry_run", "client"),
        (["--dry-run=server"], "dry_run", "server"),
        ([], "dry_run", "none"),
        (["--timeout=1m30s"], "timeout", 90.0),
        (["--selector="], "selector", ""),
    ],
)
def test_written_flag_gets_its_value(argv: list[str], key: str, value: Any) -> None:
    assert getattr(parse(FLAGS, argv), key) == value


@pytest.mark.parametrize(
    ("argv", "args", "rest"),
    [
        (["pods", "-A", "web"], ["pods", "web"], []),
        (["pods", "--", "-A"], ["pods"], ["-A"]),
        (["--dry-run", "client"], ["client"], []),
        (["-"], ["-"], []),
        ([], [], []),
    ],
)
def test_words_are_parted_from_flags(argv: list[str], args: list[str], rest: list[str]) -> None:
    options = parse(FLAGS, argv)
    assert (options.args, options.rest) == (args, rest)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["--outptu", "x"], "unknown flag: --outptu. Did you mean --output?"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-ix"], "unknown shorthand flag: 'x' in -ix"),
        (["-o"], "flag needs an argument: -o"),
        (["--replicas=a"], 'invalid argument "a" for --replicas: a whole number is expected'),
        (["--wait=maybe"], 'invalid argument "maybe" for --wait: true or false is expected'),
        (["--dry-run=x"], 'invalid argument "x" for --dry-run: one of none, client, server is expected'),
        (
            ["--timeout=5x"],
            'invalid argument "5x" for --timeout: a duration such as 30s or 1h30m is expected',
        ),
    ],
)
def test_wrong_flag_is_named(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match="^" + __import__("re").escape(message) + "$"):
        parse(FLAGS, argv)


def test_given_tells_written_flags_from_defaults() -> None:
    assert parse(FLAGS, ["-o", "", "--wait"]).given == {"output", "wait"}


def test_first_word_may_end_the_flags() -> None:
    options = parse(FLAGS, ["-i", "web", "ls", "-l"], stop_at_first_arg=True)
    assert (options.stdin, options.args, options.rest) == (True, ["web"], ["ls", "-l"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("5", 5),
        ("30s", 30),
        ("1.5m", 90),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("-1s", -1),
        ("2h0m5s", 7205),
    ],
)
def test_duration_is_read_as_go_writes_it(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)
