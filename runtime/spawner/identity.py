"""The last steps before a program runs, equal for a container and for an exec into it.

In the child: working directory, user, limits, capabilities, no_new_privs, seccomp, program lookup,
execve. Nothing returns: either the program runs, or an exception tells the cause to child.py.
Order matters: what needs root comes first, a filter that needs CAP_SYS_ADMIN before capabilities go.
"""

from __future__ import annotations

import base64
import errno
import os
import resource
import signal
from typing import Any

from runtime.linux.constants import PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL
from runtime.linux.syscalls import Syscalls
from runtime.spawner.user import Identity, resolve

_AT_ONCE = 1 << 16  # more than most of these files have; a short read is the end of a file
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StartError(Exception):
    """The program cannot be run; the text is the cause in the words people know from other runtimes."""


def become(syscalls: Syscalls, process: dict[str, Any], own_caps: int, warnings: list[str]) -> None:
    """Turns this process into the container's program. `own_caps`: what this process may hand on."""
    identity = resolve(process["user"], _read("/etc/passwd"), _read("/etc/group"))
    env = _environment(process, identity)
    _enter_directory(process.get("cwd") or "/")
    _apply_rlimits(process.get("rlimits") or {}, warnings)
    _own_stdio(identity)
    program = base64.b64decode(process["seccomp"]) if process.get("seccomp") else b""
    caps = int(process["caps"]) & own_caps
    narrow_bounding_set(syscalls, own_caps, caps)
    no_new_privs = bool(process.get("no_new_privs"))
    if program and not no_new_privs:
        syscalls.load_seccomp(program)
    os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    if identity.uid == 0:
        syscalls.capset(caps, caps, 0)
    syscalls.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    syscalls.set_parent_death_signal(signal.SIGKILL)  # a change of user has cleared an earlier one
    path = find_program(process["args"], env)
    os.umask(0o022)
    if no_new_privs:
        syscalls.set_no_new_privs()
        if program:
            syscalls.load_seccomp(program)
    try:
        os.execve(path, process["args"], env)
    except OSError as refused:
        raise _exec_refused(process["args"][0], refused) from refused


def narrow_bounding_set(syscalls: Syscalls, own_caps: int, kept: int) -> int:
    """What is in no bounding set any more cannot come back with an execve. Returns what is left of own_caps."""
    for bit in range(own_caps.bit_length()):
        if own_caps >> bit & 1 and not kept >> bit & 1:
            syscalls.drop_bounding(bit)
    return own_caps & kept


def rehearse(process: dict[str, Any]) -> None:
    """The parts of `become` that change nothing."""
    identity = resolve(process["user"], _read("/etc/passwd"), _read("/etc/group"))
    env = _environment(process, identity)
    base64.b64decode("AAAA")
    _enter_directory("/")
    find_program(process["args"], env)
    find_program(["sh"], env)


def find_program(args: list[str], env: dict[str, str]) -> str:
    """Where PATH finds args[0]. Raises StartError."""
    if not args or not args[0]:
        raise StartError("no command specified")
    name = args[0]
    if "/" in name:
        if not os.path.exists(name):
            raise StartError(f'exec: "{name}": stat {name}: no such file or directory')
        if os.path.isdir(name):
            raise StartError(f'exec: "{name}": is a directory')
        return name
    denied = False
    for directory in env.get("PATH", DEFAULT_PATH).split(":"):
        candidate = os.path.join(directory or ".", name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            denied = True
    if denied:
        raise StartError(f'exec: "{name}": permission denied')
    raise StartError(f'exec: "{name}": executable file not found in $PATH')


def _exec_refused(name: str, refused: OSError) -> StartError:
    if refused.errno == errno.ENOENT:  # the interpreter of a script or of a dynamic program
        return StartError(f"exec {name}: no such file or directory")
    if refused.errno == errno.ENOEXEC:
        return StartError(f"exec {name}: exec format error")
    text = os.strerror(refused.errno or 0).lower()
    return StartError(f'exec: "{name}": {text}')


def _environment(process: dict[str, Any], identity: Identity) -> dict[str, str]:
    env: dict[str, str] = {}
    for entry in process["env"]:
        key, _, value = entry.partition("=")
        env[key] = value
    env.setdefault("PATH", DEFAULT_PATH)
    if not env.get("HOME"):
        env["HOME"] = identity.home
    if process.get("tty"):
        env.setdefault("TERM", "xterm")
    return env


def _enter_directory(cwd: str) -> None:
    try:
        try:
            os.chdir(cwd)
        except FileNotFoundError:
            os.makedirs(cwd, 0o755, exist_ok=True)
            os.chdir(cwd)
    except OSError as refused:
        raise StartError(f"mkdir {cwd}: {os.strerror(refused.errno or 0).lower()}") from refused


def _apply_rlimits(rlimits: dict[str, list[int]], warnings: list[str]) -> None:
    for name, (soft, hard) in rlimits.items():
        kind = getattr(resource, name)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):  # raising a hard limit takes CAP_SYS_RESOURCE
            _, own_hard = resource.getrlimit(kind)
            limit = own_hard if hard == resource.RLIM_INFINITY else min(hard, own_hard)
            bounded = limit if soft == resource.RLIM_INFINITY else min(soft, limit)
            resource.setrlimit(kind, (bounded, limit))
            warnings.append(f"{name} {soft}:{hard} is beyond this host's limit, set to {bounded}:{limit}")


def _own_stdio(identity: Identity) -> None:
    """So that /dev/stdout can be opened by a program that is not root."""
    if identity.uid == 0:
        return
    for fd in (0, 1, 2):
        try:
            if os.fstat(fd).st_uid == 0 and not os.path.samestat(os.fstat(fd), os.stat("/dev/null")):
                os.fchown(fd, identity.uid, -1)
        except OSError:
            continue


def _read(path: str) -> str:
    """By descriptor: a text file object costs more than the rest of the lookup."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        text = os.read(fd, _AT_ONCE)
        if len(text) == _AT_ONCE:
            text += b"".join(iter(lambda: os.read(fd, _AT_ONCE), b""))
        return text.decode(errors="replace")
    finally:
        os.close(fd)
