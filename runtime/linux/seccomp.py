"""A seccomp filter as BPF: rules by system call name in, an array of sock_filter out. Pure.

    arch? ─┬─ native   → [x32? → refuse] → search by number → argument checks → action
           ├─ 32 bit   →                   search by number → ...
           └─ else     → kill

Numbers are searched by halving over ranges of equal action, so a call costs some ten instructions and
not one for each call in the profile. Argument checks compare all 64 bits. Rules of one call are tried in
order; the first whose arguments match decides, else the default.

Source: seccomp(2), the OCI runtime spec's linux.seccomp.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from runtime.linux.syscall_numbers import NUMBERS

ALLOW = 0x7FFF0000
LOG = 0x7FFC0000
TRACE = 0x7FF00000
TRAP = 0x00030000
KILL_THREAD = 0x00000000
KILL_PROCESS = 0x80000000

_ACTIONS = {
    "SCMP_ACT_ALLOW": ALLOW,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
}
AUDIT_ARCH = {"x86_64": 0xC000003E, "x86": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
FAMILIES = {"x86_64": ("x86_64", "x86"), "aarch64": ("aarch64", "arm")}
_X32_BIT = 0x40000000
_LD, _JEQ, _JGE, _JGT, _JA, _AND, _RET = 0x20, 0x15, 0x35, 0x25, 0x05, 0x54, 0x06
_OFF_NR, _OFF_ARCH, _OFF_ARGS = 0, 4, 16
_MAX_JUMP = 255

Operator = Literal["==", "!=", ">", ">=", "<", "<=", "masked=="]
_OPERATORS: Mapping[str, Operator] = {
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_GT": ">",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_MASKED_EQ": "masked==",
}


class SeccompError(ValueError):
    """A profile that cannot be turned into a filter; the text says where."""


class Argument(NamedTuple):
    position: int
    op: Operator
    value: int
    mask: int = 0xFFFF_FFFF_FFFF_FFFF


class Rule(NamedTuple):
    name: str
    action: int
    arguments: Sequence[Argument] = ()


def errno_action(code: int) -> int:
    return 0x00050000 | code


def compile_filter(
    rules: Iterable[Rule], default: int = errno_action(errno.EPERM), machine: str = ""
) -> bytes:
    """The filter for a machine (default: this one) and its 32-bit sister. Names unknown there are skipped."""
    machine = machine or os.uname().machine
    if machine not in FAMILIES:
        raise SeccompError(f"no seccomp table for {machine}; known: {', '.join(FAMILIES)}")
    rules = list(rules)
    code = [_op(_LD, _OFF_ARCH)]
    for arch in FAMILIES[machine]:
        body = _arch_body(arch, rules, default)
        code.append(_op(_JEQ, AUDIT_ARCH[arch], 1, 0))
        code.append(_op(_JA, len(body)))
        code += body
    code.append(_op(_RET, KILL_PROCESS))
    if len(code) > 4096:
        raise SeccompError(f"the filter has {len(code)} instructions, the kernel takes 4096")
    return b"".join(code)


def rules_of_profile(profile: Mapping[str, object]) -> tuple[list[Rule], int]:
    """(rules, default action) of an OCI or Docker seccomp profile in JSON. Raises SeccompError."""
    default = _action(profile.get("defaultAction"), profile.get("defaultErrnoRet"))
    rules: list[Rule] = []
    syscalls = profile.get("syscalls") or []
    if not isinstance(syscalls, list):
        raise SeccompError("syscalls is not a list")
    for entry in syscalls:
        action = _action(entry.get("action"), entry.get("errnoRet"))
        arguments = tuple(_argument(arg) for arg in entry.get("args") or [])
        names = entry.get("names") or ([entry["name"]] if "name" in entry else [])
        rules += [Rule(name, action, arguments) for name in names]
    return rules, default


def _action(name: object, errno_ret: object) -> int:
    if name == "SCMP_ACT_ERRNO":
        return errno_action(errno_ret if isinstance(errno_ret, int) else errno.EPERM)
    if name not in _ACTIONS:
        raise SeccompError(f"unsupported seccomp action {name!r}")
    return _ACTIONS[str(name)]


def _argument(arg: Mapping[str, object]) -> Argument:
    op = _OPERATORS.get(str(arg.get("op")))
    index, value, two = arg.get("index"), arg.get("value"), arg.get("valueTwo") or 0
    if op is None or not isinstance(index, int) or not isinstance(value, int) or not isinstance(two, int):
        raise SeccompError(f"unsupported seccomp argument {arg!r}")
    return Argument(index, op, two, value) if op == "masked==" else Argument(index, op, value)


def _op(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("HBBI", code, jt, jf, k & 0xFFFF_FFFF)


def _arch_body(arch: str, rules: Sequence[Rule], default: int) -> list[bytes]:
    numbers = NUMBERS[arch]
    by_number: dict[int, list[Rule]] = {}
    for rule in rules:
        number = numbers.get(rule.name)
        if number is not None:
            by_number.setdefault(number, []).append(rule)
    code = [_op(_LD, _OFF_NR)]
    if arch == "x86_64":
        code += [_op(_JGE, _X32_BIT, 0, 1), _op(_RET, errno_action(errno.ENOSYS))]
    return code + _search(_ranges(by_number, default), default)


def _ranges(by_number: Mapping[int, Sequence[Rule]], default: int) -> list[tuple[int, list[bytes]]]:
    """(first number, its leaf code): each leaf holds until the next entry's number."""
    out: list[tuple[int, list[bytes]]] = [(0, [_op(_RET, default)])]
    for number in sorted(by_number):
        leaf = _leaf(by_number[number], default)
        _append_range(out, number, leaf)
        if number + 1 not in by_number:
            _append_range(out, number + 1, [_op(_RET, default)])
    return out


def _append_range(out: list[tuple[int, list[bytes]]], number: int, leaf: list[bytes]) -> None:
    if out[-1][1] == leaf and len(leaf) == 1:
        return
    if out[-1][0] == number:
        out.pop()
    out.append((number, leaf))


def _search(ranges: Sequence[tuple[int, list[bytes]]], default: int) -> list[bytes]:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    low, high = _search(ranges[:middle], default), _search(ranges[middle:], default)
    if len(low) <= _MAX_JUMP:
        return [_op(_JGE, ranges[middle][0], len(low), 0), *low, *high]
    return [_op(_JGE, ranges[middle][0], 0, 1), _op(_JA, len(low)), *low, *high]


def _leaf(rules: Sequence[Rule], default: int) -> list[bytes]:
    code: list[bytes] = []
    for rule in rules:
        if not rule.arguments:
            return [*code, _op(_RET, rule.action)]
        code += _conditional(rule)
    return [*code, _op(_RET, default)]


def _conditional(rule: Rule) -> list[bytes]:
    """Returns the action where every argument matches, falls through else."""
    code = [_op(_RET, rule.action)]
    for argument in reversed(rule.arguments):
        code = _check(argument, len(code)) + code
    return code


def _check(argument: Argument, skip: int) -> list[bytes]:
    """Falls through where the argument matches, jumps over `skip` further instructions where not."""
    at = _OFF_ARGS + 8 * argument.position  # little endian: low word first
    high, low = argument.value >> 32, argument.value & 0xFFFF_FFFF
    load_high, load_low = _op(_LD, at + 4), _op(_LD, at)
    op = argument.op
    if op == "masked==":
        return [
            load_high,
            _op(_AND, argument.mask >> 32),
            _op(_JEQ, high, 0, skip + 3),
            load_low,
            _op(_AND, argument.mask & 0xFFFF_FFFF),
            _op(_JEQ, low, 0, skip),
        ]
    if op == "==":
        return [load_high, _op(_JEQ, high, 0, skip + 2), load_low, _op(_JEQ, low, 0, skip)]
    if op == "!=":
        return [load_high, _op(_JEQ, high, 0, 2), load_low, _op(_JEQ, low, skip, 0)]
    # Ordered: decided by the high words unless they are equal.
    wants_greater = op in (">", ">=")
    last = {
        ">": _op(_JGT, low, 0, skip),
        ">=": _op(_JGE, low, 0, skip),
        "<": _op(_JGE, low, skip, 0),
        "<=": _op(_JGT, low, skip, 0),
    }[op]
    greater = _op(_JGT, high, 3, 0) if wants_greater else _op(_JGT, high, skip + 3, 0)
    equal = _op(_JEQ, high, 0, skip + 2) if wants_greater else _op(_JEQ, high, 0, 2)
    return [load_high, greater, equal, load_low, last]
