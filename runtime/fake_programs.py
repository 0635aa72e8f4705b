"""What a fake container does: its program as a plain value instead of a process.

In comes a command line; out comes a `Program`: how long it runs, how it ends, what it prints, how it
takes a stop signal. A small part of a shell is understood, so that the manifests people write for
tests behave as they would: sleep, true, false, exit, echo, printf, `while true` loops, `;`, `&&`, `||`,
`exec`, `trap`. What is not understood runs until it is stopped, as a server would.

Pure; no clock, no I/O.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

SHELLS = ("sh", "bash", "ash", "dash")


@dataclass(frozen=True, slots=True)
class Program:
    """`runs_s` None: until it is stopped. `stop_s`: from the stop signal to the exit; None: ignores it.

    `stop_exit_code` None means the signal kills it (128 + signal).
    """

    runs_s: float | None = None
    exit_code: int = 0
    stop_s: float | None = 0.0
    stop_exit_code: int | None = None
    stdout: Sequence[str] = ()  # lines
    start_error: str = ""  # e.g. exec: "foo": executable file not found in $PATH

    def then(self, later: Program) -> Program:
        """This one, then the other."""
        if self.runs_s is None:
            return self
        runs_s = None if later.runs_s is None else self.runs_s + later.runs_s
        return replace(later, runs_s=runs_s, stdout=(*self.stdout, *later.stdout))


def seconds_of(text: str) -> float | None:
    """`5`, `0.5`, `2m`, `1h`; `infinity` and what cannot be read are None."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    scale = units.get(text[-1:], 0.0)
    try:
        value = float(text[:-1]) * scale if scale else float(text)
    except ValueError:
        return None
    return None if value == float("inf") else value


def program_of(argv: Sequence[str]) -> Program:
    """The program of a command line; an empty one runs for ever."""
    if not argv:
        return Program()
    name = argv[0].rsplit("/", 1)[-1]
    if name == "busybox" and len(argv) > 1:
        return program_of(argv[1:])
    if name in SHELLS and "-c" in argv[1:]:
        script = argv[list(argv).index("-c") + 1 :]
        return _shell(script[0]) if script else Program(runs_s=0.0, exit_code=2)
    if name in SHELLS:
        return Program(runs_s=0.0)
    return _simple(name, argv[1:])


def _simple(name: str, args: Sequence[str]) -> Program:
    if name == "sleep":
        waits = [seconds_of(arg) for arg in args]
        total = None if not waits or None in waits else sum(w for w in waits if w is not None)
        return Program(runs_s=total)
    if name in ("true", ":"):
        return Program(runs_s=0.0)
    if name == "false":
        return Program(runs_s=0.0, exit_code=1)
    if name == "exit":
        code = int(args[0]) & 0xFF if args and args[0].lstrip("-").isdigit() else 0
        return Program(runs_s=0.0, exit_code=code)
    if name == "echo":
        return Program(runs_s=0.0, stdout=(" ".join(arg for arg in args if arg != "-n"),))
    if name == "printf":
        return Program(runs_s=0.0, stdout=tuple(args[0].replace("\\n", "\n").split("\n")) if args else ())
    if name in ("test", "[", "mkdir", "touch", "ls", "date", "set", "export", "cd", "env", "hostname", "id"):
        return Program(runs_s=0.0)
    return Program()


def _shell(script: str) -> Program:
    text = " ".join(script.split("\n")) if "\n" not in script else script.replace("\n", " ; ")
    ignores = "trap '' TERM" in script or 'trap "" TERM' in script
    if "while true" in text or "while :" in text or "for (( ; ; ))" in text or "until false" in text:
        program = Program()
    else:
        program = _sequence(text)
    return replace(program, stop_s=None) if ignores else program


def _sequence(text: str) -> Program:
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return Program(runs_s=0.0, exit_code=2, stdout=("sh: syntax error",))
    result = Program(runs_s=0.0)
    run_next = True
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in (";", "&&", "||", "&"):
            command.append(word)
            continue
        if command and run_next:
            if command[0] == "exec":
                return result.then(program_of(command[1:]))
            if command[0] != "trap":
                result = result.then(program_of(command))
            if command[0] == "exit" or result.runs_s is None:
                return result
        command = []
        if word == "&&":
            run_next = run_next and result.exit_code == 0
        elif word == "||":
            run_next = result.exit_code != 0
        else:
            run_next = True
    return result


def signal_number(name: str) -> int:
    """`SIGTERM`, `TERM` or `15`; "" and what is unknown are SIGTERM."""
    if name.isdigit():
        return int(name)
    try:
        return int(signal.Signals["SIG" + name.upper().removeprefix("SIG")])
    except KeyError:
        return int(signal.SIGTERM)
