"""The filter's verdicts, by a small interpreter of the BPF that the kernel would run."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.linux.capabilities import DEFAULT, mask_of
from runtime.linux.seccomp import (
    ALLOW,
    AUDIT_ARCH,
    KILL_PROCESS,
    Argument,
    Operator,
    Rule,
    SeccompError,
    compile_filter,
    errno_action,
    rules_of_profile,
)
from runtime.linux.seccomp_default import plan_default_profile
from runtime.linux.syscall_numbers import NUMBERS

EPERM = errno_action(errno.EPERM)


def verdict(program: bytes, number: int, args: tuple[int, ...] = (), arch: str = "x86_64") -> int:
    data = struct.pack("iIQ6Q", number, AUDIT_ARCH[arch], 0, *(*args, *[0] * (6 - len(args))))
    code = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    at, accumulator = 0, 0
    while True:
        op, jump_true, jump_false, k = code[at]
        at += 1
        if op == 0x20:
            accumulator = struct.unpack_from("I", data, k)[0]
        elif op == 0x54:
            accumulator &= k
        elif op == 0x05:
            at += k
        elif op == 0x06:
            return k
        else:
            taken = {0x15: accumulator == k, 0x35: accumulator >= k, 0x25: accumulator > k}[op]
            at += jump_true if taken else jump_false


DEFAULT_FILTER = compile_filter(plan_default_profile(mask_of(DEFAULT)), machine="x86_64")


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("read", (), ALLOW),
        ("execve", (), ALLOW),
        ("chroot", (), ALLOW),
        ("mount", (), EPERM),
        ("unshare", (), EPERM),
        ("keyctl", (), EPERM),
        ("bpf", (), EPERM),
        ("io_uring_setup", (), EPERM),
        ("reboot", (), EPERM),
        ("clone3", (), errno_action(errno.ENOSYS)),
        ("clone", (17,), ALLOW),
        ("clone", (0x10000000 | 17,), EPERM),
        ("clone", (0x20000,), EPERM),
        ("personality", (0,), ALLOW),
        ("personality", (8,), ALLOW),
        ("personality", (0x40000,), EPERM),
        ("socket", (2, 1), ALLOW),
        ("socket", (40, 1), EPERM),
        ("socket", (40 | 1 << 32, 1), ALLOW),
    ],
)
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_default_profile_decides_as_expected(
    name: str, args: tuple[int, ...], expected: int, arch: str
) -> None:
    program = compile_filter(plan_default_profile(mask_of(DEFAULT)), machine=arch)
    assert verdict(program, NUMBERS[arch][name], args, arch) == expected


def test_capability_opens_its_calls() -> None:
    program = compile_filter(plan_default_profile(mask_of(["SYS_ADMIN", "SYS_TIME"])), machine="x86_64")
    for name in ("mount", "unshare", "clone3", "settimeofday"):
        assert verdict(program, NUMBERS["x86_64"][name]) == ALLOW
    assert verdict(program, NUMBERS["x86_64"]["clone"], (0x20000,)) == ALLOW
    assert verdict(program, NUMBERS["x86_64"]["chroot"]) == EPERM


def test_other_architectures_and_unknown_numbers_are_refused() -> None:
    assert verdict(DEFAULT_FILTER, NUMBERS["x86"]["read"], arch="x86") == ALLOW
    assert verdict(DEFAULT_FILTER, NUMBERS["x86"]["mount"], arch="x86") == EPERM
    assert verdict(DEFAULT_FILTER, 0, arch="arm") == KILL_PROCESS
    assert verdict(DEFAULT_FILTER, 0x40000000) == errno_action(errno.ENOSYS)
    assert verdict(DEFAULT_FILTER, 999) == EPERM


OPERATORS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
WORDS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**32 + 1, 2**64 - 1])


@given(op=st.sampled_from(sorted(OPERATORS)), bound=WORDS, value=WORDS)
def test_comparison_of_64_bits_is_exact(op: Operator, bound: int, value: int) -> None:
    program = compile_filter([Rule("read", ALLOW, (Argument(0, op, bound),))], machine="x86_64")
    expected = ALLOW if OPERATORS[op](value, bound) else EPERM
    assert verdict(program, 0, (value,)) == expected


@given(names=st.sets(st.sampled_from(sorted(NUMBERS["x86_64"])), max_size=60), number=st.integers(0, 480))
def test_any_allow_list_allows_exactly_its_calls(names: set[str], number: int) -> None:
    program = compile_filter([Rule(name, ALLOW) for name in sorted(names)], machine="x86_64")
    allowed = {NUMBERS["x86_64"][name] for name in names}
    assert verdict(program, number) == (ALLOW if number in allowed else EPERM)


def test_oci_profile_is_understood() -> None:
    rules, default = rules_of_profile(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
                {
                    "name": "socket",
                    "action": "SCMP_ACT_KILL_PROCESS",
                    "args": [{"index": 0, "value": 3, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}],
                },
            ],
        }
    )
    program = compile_filter(rules, default, machine="x86_64")
    assert verdict(program, NUMBERS["x86_64"]["mkdir"]) == errno_action(95)
    assert verdict(program, NUMBERS["x86_64"]["socket"], (6,)) == KILL_PROCESS
    assert verdict(program, NUMBERS["x86_64"]["socket"], (5,)) == ALLOW


@pytest.mark.parametrize(
    "profile",
    [
        {"defaultAction": "SCMP_ACT_NOTIFY"},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {"names": ["read"]}},
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"op": "LIKE"}]}],
        },
    ],
)
def test_profile_that_cannot_be_kept_is_refused(profile: dict[str, object]) -> None:
    with pytest.raises(SeccompError):
        rules_of_profile(profile)


def test_calls_newer_than_the_common_numbering_have_one_number_everywhere() -> None:
    """Since 424 (pidfd_send_signal) every architecture gives a new call the same number."""
    shared = {name: number for name, number in NUMBERS["aarch64"].items() if number >= 424}
    assert len(shared) > 30
    for arch, numbers in NUMBERS.items():
        assert {n: numbers[n] for n in shared if n in numbers and numbers[n] != shared[n]} == {}, arch
        assert sorted(numbers.values()) == sorted(set(numbers.values())), f"{arch}: a number twice"
