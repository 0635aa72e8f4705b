"""Flags as data, and kubectl's way of reading them.

kubectl's flags are pflag's, which differ from what Python's parsers do: `-it` is two flags, `-lapp=x` and
`-l=app=x` are one, `--dry-run` alone means something while `--dry-run=server` gives a value, flags stand
anywhere, `--` ends them. A verb declares its flags once, as `Flag`s; this file parses by them, and
`kctl/help.py` makes the typer application from the same declaration for help and completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

FlagType = Literal["str", "bool", "int", "list", "array", "duration"]


class UsageError(Exception):
    """The command line cannot be understood; str() says which word and what was expected."""


class Flag(NamedTuple):
    """`--name`/`-short`. `bare`: the value when the flag stands without one (`--dry-run`); bools need none.

    A list splits its values at commas, an array takes each as it is; both may be given several times.
    """

    name: str
    short: str = ""
    type: FlagType = "str"
    default: Any = None
    help: str = ""
    bare: str | None = None
    choices: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def key(self) -> str:
        """As an attribute: `all-namespaces` → `all_namespaces`."""
        return self.name.replace("-", "_")


class Options:
    """The values by key, `args` (the words that are no flags) and `rest` (what follows `--`)."""

    def __init__(self, values: dict[str, Any], args: list[str], rest: list[str], given: set[str]) -> None:
        self._values = values
        self.args = args
        self.rest = rest
        self.given = given  # keys of flags that were written out

    def __getattr__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            raise AttributeError(key) from None


# Every verb that talks to a cluster has these.
GLOBAL_FLAGS: tuple[Flag, ...] = (
    Flag("kubeconfig", help="kubeconfig file to use"),
    Flag("context", help="context of the kubeconfig to use"),
    Flag("cluster", help="cluster of the kubeconfig to use"),
    Flag("user", help="user of the kubeconfig to use"),
    Flag("namespace", "n", help="namespace of the request"),
    Flag("server", "s", help="address of the API server"),
    Flag("token", help="bearer token"),
    Flag("as", help="user to impersonate"),
    Flag("as-group", type="array", default=[], help="group to impersonate; may be repeated"),
    Flag("certificate-authority", help="file with the CA of the API server"),
    Flag("client-certificate", help="file with a client certificate"),
    Flag("client-key", help="file with its key"),
    Flag(
        "insecure-skip-tls-verify", type="bool", default=False, help="do not check the server's certificate"
    ),
    Flag("tls-server-name", help="name to check the server's certificate against"),
    Flag("request-timeout", type="duration", default=0.0, help="time limit of one request, such as 5s"),
    Flag("cache-dir", help="accepted for kubectl's sake", hidden=True),
    Flag("v", "v", default="0", help="log level", hidden=True),
    Flag("help", "h", type="bool", default=False, help="this help"),
)


def parse(flags: Sequence[Flag], argv: Sequence[str], *, stop_at_first_arg: bool = False) -> Options:
    """Raises UsageError. `stop_at_first_arg`: everything from the first word on belongs to it (`exec POD cmd -x`)."""
    by_name = {f"--{flag.name}": flag for flag in flags}
    by_short = {flag.short: flag for flag in flags if flag.short}
    values: dict[str, Any] = {
        flag.key: list(flag.default or ()) if flag.type in ("list", "array") else flag.default
        for flag in flags
    }
    given: set[str] = set()
    args: list[str] = []
    words = list(argv)
    index = 0

    def store(flag: Flag, word: str, text: str | None, attached: bool) -> None:
        nonlocal index
        if text is None and flag.type == "bool":
            text = "true"
        elif text is None and flag.bare is not None:
            text = flag.bare
        elif text is None:
            if index + 1 >= len(words):
                raise UsageError(f"flag needs an argument: {word}")
            index += 1
            text = words[index]
        value = _convert(flag, word, text)
        if flag.type in ("list", "array"):
            before = values[flag.key] if flag.key in given else []
            values[flag.key] = [*before, *value]
        else:
            values[flag.key] = value
        given.add(flag.key)

    while index < len(words):
        word = words[index]
        if word == "--":
            return Options(values, args, words[index + 1 :], given)
        if word.startswith("--"):
            name, equals, text = word.partition("=")
            flag = by_name.get(name)
            if flag is None:
                raise UsageError(_unknown(name, by_name))
            store(flag, name, text if equals else None, bool(equals))
        elif word.startswith("-") and len(word) > 1:
            _read_shorts(word, by_short, store)
        else:
            args.append(word)
            if stop_at_first_arg:
                return Options(values, args, words[index + 1 :], given)
        index += 1
    return Options(values, args, [], given)


def _read_shorts(word: str, by_short: dict[str, Flag], store: Any) -> None:
    """`-it`, `-oyaml`, `-o=yaml`, `-o yaml`."""
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = by_short.get(letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: {letter!r} in {word}")
        if letters.startswith("="):
            store(flag, f"-{letter}", letters[1:], True)
            return
        if flag.type == "bool" or flag.bare is not None:
            store(flag, f"-{letter}", None, False)
        elif letters:
            store(flag, f"-{letter}", letters, True)
            return
        else:
            store(flag, f"-{letter}", None, False)


def _convert(flag: Flag, word: str, text: str) -> Any:
    if flag.type == "bool":
        if text.lower() in ("true", "1", "t"):
            return True
        if text.lower() in ("false", "0", "f"):
            return False
        raise UsageError(f'invalid argument "{text}" for {word}: true or false is expected')
    if flag.type == "int":
        try:
            return int(text)
        except ValueError:
            raise UsageError(f'invalid argument "{text}" for {word}: a whole number is expected') from None
    if flag.choices and text not in flag.choices:
        raise UsageError(
            f'invalid argument "{text}" for {word}: one of {", ".join(flag.choices)} is expected'
        )
    if flag.type == "duration":
        return duration_s(text, word)
    if flag.type == "list":
        return _split_commas(text)
    return [text] if flag.type == "array" else text


def _split_commas(text: str) -> list[str]:
    """As CSV, so that a quoted value may hold commas."""
    if '"' not in text:
        return text.split(",") if text else []
    import csv

    return next(csv.reader([text]), [])


_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(text: str, word: str = "duration") -> float:
    """Go's durations in seconds: `1h30m`, `90s`, `1.5m`, `-1s`; a bare number means seconds."""
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    try:
        return sign * float(rest)
    except ValueError:
        pass
    total = 0.0
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        unit_and_rest = rest[len(number) :]
        unit = next((u for u in ("ns", "us", "µs", "ms", "s", "m", "h") if unit_and_rest.startswith(u)), "")
        if not number or not unit:
            raise UsageError(
                f'invalid argument "{text}" for {word}: a duration such as 30s or 1h30m is expected'
            )
        total += float(number) * _UNITS_S[unit]
        rest = unit_and_rest[len(unit) :]
    return sign * total


def _unknown(name: str, known: dict[str, Flag]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, [n for n, flag in known.items() if not flag.hidden], 1, 0.6)
    return f"unknown flag: {name}" + (f". Did you mean {near[0]}?" if near else "")
