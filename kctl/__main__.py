"""`kctl`: finds the verb, reads its flags, runs it, and turns what went wrong into one clear line.

The way of one call: argv → `COMMANDS` (this and nothing else decides what exists) → the verb's module →
`flags.parse` → `run(options, session)` → exit code. Help, and only help, loads typer and rich.

Exit codes are kubectl's: 0 done, 1 anything that failed. A verb may return others (`diff`, `exec`).
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from kctl.command import COMMANDS, PARTS, Command
from kctl.flags import GLOBAL_FLAGS, Flag, Options, UsageError, parse


def find_command(word: str) -> Command | None:
    return next((command for command in COMMANDS if word == command.name or word in command.aliases), None)


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # `kctl get pods | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def _dispatch(argv: list[str]) -> int:
    globals_first = _split_leading_flags(argv)
    leading, words = globals_first
    if words and words[0] == "__complete":
        from kctl.completing import print_candidates

        return print_candidates(words[1:])
    if not words or words[0] in ("help", "-h", "--help"):
        return _help(words[1:])
    command = find_command(words[0])
    if command is None:
        return _fail(_unknown_command(words[0], [c.name for c in COMMANDS]))
    if command.group == PARTS:
        module = importlib.import_module(command.module)
        return int(module.main(words[1:]))
    name, module_name, rest = command.name, command.module, words[1:]
    if command.subcommands:
        # Flags may stand before the second word: `kctl config --kubeconfig FILE view`.
        before, rest = _split_leading_flags(rest, only_known=True)
        sub = command.find_sub(rest[0]) if rest else None
        if sub is not None:
            name, module_name, rest = f"{name} {sub[0]}", sub[1], [*before, *rest[1:]]
        elif command.stands_alone and (not rest or rest[0].startswith("-")):
            rest = words[1:]
        elif not rest or rest[0] in ("-h", "--help"):
            return _help([command.name])
        else:
            known = [f"{name} {word}" for word, _, _ in command.subcommands]
            return _fail(_unknown_command(f"{name} {rest[0]}", known))
    return _run(name, importlib.import_module(module_name), [*leading, *rest])


def _run(name: str, module: ModuleType, argv: list[str]) -> int:
    flags = verb_flags(module)
    try:
        options = parse(flags, argv, stop_at_first_arg=getattr(module, "STOP_AT_FIRST_ARG", False))
    except UsageError as error:
        return _fail(f"{error}\nSee 'kctl {name} --help' for usage.")
    if options.help:
        return _help(name.split())
    if not getattr(module, "COMMAND_AFTER_DASHES", False):  # no command follows: `--` only ended the flags
        options.args += options.rest
        options.rest = []
    return _call(module, options)


def verb_flags(module: ModuleType) -> tuple[Flag, ...]:
    """The verb's own flags and, unless it has LOCAL = True, those of every verb that talks to a cluster."""
    own: tuple[Flag, ...] = module.FLAGS
    taken = {flag.name for flag in own}
    shorts = {flag.short for flag in own if flag.short}
    return own + tuple(
        Flag(
            f.name,
            "" if f.short in shorts else f.short,
            f.type,
            f.default,
            f.help,
            f.bare,
            f.choices,
            f.hidden,
        )
        for f in GLOBAL_FLAGS
        if f.name not in taken and (f.name == "help" or not getattr(module, "LOCAL", False))
    )


# What reading an object of another shape than expected ends in.
_MISREAD = (AttributeError, TypeError, LookupError, ValueError, RecursionError)


def _call(module: ModuleType, options: Options) -> int:
    from kctl.session import Session, explain_failure

    try:
        if getattr(module, "LOCAL", False):
            return int(module.run(options))
        with Session(options) as session:
            return int(module.run(options, session))
    except UsageError as error:
        return _fail(str(error))
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        text = explain_failure(error)
        if text is None:
            local = getattr(module, "LOCAL", False)
            if local or not isinstance(error, _MISREAD) or os.environ.get("KCTL_TRACEBACK"):
                raise
            text = (
                f"error: an answer of the server was not understood ({type(error).__name__}: {str(error)[:200]}).\n"
                "Is it a Kubernetes API server? KCTL_TRACEBACK=1 shows where."
            )
        print(text, file=sys.stderr)
        return 1


def _split_leading_flags(argv: list[str], *, only_known: bool = False) -> tuple[list[str], list[str]]:
    """`kctl -n web get pods`: global flags may stand before the verb. (they with their values, the rest)"""
    names = {name: f for f in GLOBAL_FLAGS for name in (f"--{f.name}", f"-{f.short}") if name != "-"}
    index = 0
    while index < len(argv) and argv[index].startswith("-") and argv[index] not in ("-h", "--help", "--"):
        flag = names.get(argv[index].partition("=")[0])
        if flag is None and only_known:
            break
        index += 2 if flag and flag.type != "bool" and "=" not in argv[index] else 1
    return argv[:index], argv[index:]


def _unknown_command(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, 3, 0.6)
    text = f'unknown command "{word}" for "kctl"'
    if near:
        text += "\n\nDid you mean this?\n" + "\n".join(f"\t{name}" for name in near)
    return text + "\n\nRun 'kctl help' for all commands."


def _help(words: list[str]) -> int:
    from kctl.help import show_help

    return show_help(words)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
