"""Help for people and completion for shells: a typer application made from the same declarations that
`flags.parse` reads. Loaded only when help is asked for: typer and rich take longer to import than most
commands take to run.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from kctl.command import COMMANDS, PARTS, Command
from kctl.flags import GLOBAL_FLAGS, Flag


def show_help(words: Sequence[str]) -> int:
    """`kctl help`, `kctl help get`, `kctl help rollout status`. Returns the exit code."""
    import typer.main

    if not words:
        return _overview()
    command = next((c for c in COMMANDS if c.name == words[0]), None)
    if command is None:
        print(f'error: unknown command "{words[0]}" for "kctl"', file=sys.stderr)
        return 1
    if command.group == PARTS:
        return int(importlib.import_module(command.module).main(["--help"]) or 0)
    name, module_name = command.name, command.module
    if command.subcommands and len(words) > 1:
        sub = command.find_sub(words[1])
        if sub is None:
            print(f'error: unknown command "{" ".join(words[:2])}" for "kctl"', file=sys.stderr)
            return 1
        name, module_name = f"{name} {sub[0]}", sub[1]
    elif command.subcommands:
        _subcommands(command)
        if not command.stands_alone:
            return 0
        print()
    app = typer_application([(name, module_name)])
    typer.main.get_command(app).main(["--help"], prog_name=f"kctl {name}", standalone_mode=False)
    return 0


def typer_application(verbs: Sequence[tuple[str, str]]) -> Any:
    """A typer app of (name, module) verbs, each with its flags as options."""
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    for name, module_name in verbs:
        module = importlib.import_module(module_name)
        local = getattr(module, "LOCAL", False)
        flags = [
            f for f in (*module.FLAGS, *(() if local else GLOBAL_FLAGS)) if not f.hidden and f.name != "help"
        ]
        app.command(name=name, help=_text(module), epilog=None)(_signature(flags))
    return app


def _text(module: Any) -> str:
    summary = (module.__doc__ or "").strip()
    lines = [summary, "", "\b", "Usage:", f"  kctl {getattr(module, 'USAGE', '')}".rstrip()]
    examples = getattr(module, "EXAMPLES", ())
    if examples:
        lines += ["", "\b", "Examples:"]
        for what, how in examples:
            lines += [f"  # {what}", f"  {how}"]
    return "\n".join(lines)


def _signature(flags: Sequence[Flag]) -> Any:
    """A function whose parameters typer reads; it is never called."""
    import inspect

    import typer

    several = list[str]
    kinds: dict[str, Any] = {
        "str": str,
        "bool": bool,
        "int": int,
        "list": several,
        "array": several,
        "duration": str,
    }
    parameters = []
    seen: set[str] = set()
    for flag in flags:
        if flag.key in seen:
            continue
        seen.add(flag.key)
        names = [f"--{flag.name}"] + ([f"-{flag.short}"] if flag.short and len(flag.short) == 1 else [])
        option = typer.Option(None, *names, help=flag.help, show_default=False)
        parameters.append(
            inspect.Parameter(
                f"p_{flag.key}", inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kinds[flag.type]
            )
        )

    def verb(**_: Any) -> None:
        """Stands for the verb in help texts."""

    setattr(verb, "__signature__", inspect.Signature(parameters))  # noqa: B010 - functions do not declare it
    verb.__annotations__ = {p.name: p.annotation for p in parameters}
    return verb


def _overview() -> int:
    print("kctl runs Kubernetes workloads on this machine, and speaks to any cluster.\n")
    groups: dict[str, list[Command]] = {}
    for command in COMMANDS:
        groups.setdefault(command.group, []).append(command)
    for group, commands in groups.items():
        print(f"{group}:")
        for command in commands:
            print(f"  {command.name:<15} {command.summary}")
        print()
    print('Use "kctl help COMMAND" for a command\'s flags and examples.')
    return 0


def _subcommands(command: Command) -> None:
    print(f"{command.summary}.\n\nCommands:")
    for word, _, summary in command.subcommands:
        print(f"  {command.name} {word:<18} {summary}")
