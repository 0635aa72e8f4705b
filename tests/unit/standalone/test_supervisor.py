"""The supervisor with real children: restarts, the lock, and an orderly end."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from standalone import supervisor as supervisor_module
from standalone.layout import Layout
from standalone.process import Program
from standalone.supervisor import AlreadyRunning, Lock, Supervisor, is_alive, read_state, running_pid

_CHILD = """
import os, signal, sys
def main(argv):
    with open(argv[0], "a") as file:
        file.write(f"{os.getpid()}\\n")
    if argv[1] == "fail":
        return 3
    if argv[1] in ("alive", "never"):
        import asyncio, faulthandler
        from client.livez import answer_livez
        faulthandler.enable(2)
        if argv[1] == "alive":
            asyncio.run(answer_livez())
    signal.pause()
    return 0
"""


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    (tmp_path / "kctl_test_child.py").write_text(_CHILD)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Layout(tmp_path / "cluster")
    made.make()
    yield made
    sys.modules.pop("kctl_test_child", None)


def start(layout: Layout, *modes: str) -> int:
    """A supervisor in a child process; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        programs = [
            Program(
                f"c{i}",
                "kctl_test_child",
                (str(layout.root / f"c{i}.pids"), mode),
                layout.log(f"c{i}"),
                watched=mode in ("alive", "never"),
            )
            for i, mode in enumerate(modes)
        ]
        Supervisor(layout, programs, Lock(layout.lock), watchdog_s=0.6).run()
        os._exit(0)
    except BaseException:
        os._exit(1)


def pids_of(layout: Layout, index: int) -> list[int]:
    path = layout.root / f"c{index}.pids"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(check: object, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)


def stop(pid: int) -> int:
    os.kill(pid, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_killed_child_is_started_again(layout: Layout) -> None:
    supervisor = start(layout, "stay")
    try:
        wait_for(lambda: pids_of(layout, 0))
        os.kill(pids_of(layout, 0)[0], signal.SIGKILL)
        wait_for(lambda: len(pids_of(layout, 0)) == 2)
        wait_for(lambda: read_state(layout)["components"][0]["restarts"] == 1)
    finally:
        assert stop(supervisor) == 0
    assert "ended with signal 9" in layout.log("c0").read_text()


def test_failing_child_is_tried_again_later_and_later(layout: Layout) -> None:
    supervisor = start(layout, "fail")
    try:
        wait_for(lambda: len(pids_of(layout, 0)) >= 3)
    finally:
        stop(supervisor)
    assert "ended with exit code 3" in layout.log("c0").read_text()


def test_child_that_cannot_be_forked_is_tried_again_and_the_others_live_on(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn, tries = supervisor_module.spawn, []

    def scarce(program: Program, *args: object, **options: object) -> int:
        if program.name == "c0":
            tries.append(program)
            if 1 < len(tries) < 4:
                raise BlockingIOError(11, "Resource temporarily unavailable")
        return spawn(program, *args, **options)

    monkeypatch.setattr(supervisor_module, "spawn", scarce)
    supervisor = start(layout, "stay", "stay")
    try:
        wait_for(lambda: pids_of(layout, 0) and pids_of(layout, 1))
        os.kill(pids_of(layout, 0)[0], signal.SIGKILL)
        wait_for(lambda: len(pids_of(layout, 0)) == 2)
        assert is_alive(pids_of(layout, 1)[0]) and len(pids_of(layout, 1)) == 1
    finally:
        assert stop(supervisor) == 0
    assert layout.log("c0").read_text().count("cannot be started: ") == 2


def test_stop_ends_every_child_and_frees_the_lock(layout: Layout) -> None:
    supervisor = start(layout, "stay", "stay")
    wait_for(lambda: pids_of(layout, 0) and pids_of(layout, 1))
    children = pids_of(layout, 0) + pids_of(layout, 1)
    assert running_pid(layout) == supervisor
    assert stop(supervisor) == 0
    assert running_pid(layout) is None
    assert not layout.state.exists()
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_killed_supervisor_takes_its_children_along(layout: Layout) -> None:
    supervisor = start(layout, "stay")
    wait_for(lambda: pids_of(layout, 0))
    child = pids_of(layout, 0)[0]
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    wait_for(gone)
    assert running_pid(layout) is None  # the lock is the kernel's to free


def test_second_supervisor_is_told_who_runs(layout: Layout) -> None:
    supervisor = start(layout, "stay")
    try:
        wait_for(lambda: pids_of(layout, 0))
        with pytest.raises(AlreadyRunning) as caught:
            Lock(layout.lock)
        assert caught.value.pid == supervisor
    finally:
        stop(supervisor)


def test_stale_state_of_a_dead_supervisor_does_not_matter(layout: Layout) -> None:
    layout.state.write_text(json.dumps({"supervisor": 1, "components": []}))
    layout.lock.write_text("1")
    assert running_pid(layout) is None


def test_certificates_are_seen_to_now_and_then(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "_RENEW_EVERY_S", 0.02)
    seen = layout.root / "renewals"

    def renew() -> None:
        with seen.open("a") as file:
            file.write(f"{os.getpid()}\n")
        raise RuntimeError("a renewal that fails ends nothing else")

    pid = os.fork()
    if not pid:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            Supervisor(layout, [], Lock(layout.lock), renew=renew).run()
            os._exit(0)
        except BaseException:
            os._exit(1)
    try:
        wait_for(lambda: seen.exists() and len(seen.read_text().split()) >= 2)
    finally:
        assert stop(pid) == 0
    assert str(pid) not in seen.read_text().split()


def test_child_that_hangs_is_ended_with_a_trace_of_where_and_started_again(layout: Layout) -> None:
    """One that has not answered yet is left alone meanwhile, however long it takes."""
    supervisor = start(layout, "alive", "never")
    try:
        wait_for(lambda: all(pids_of(layout, index) for index in range(2)))
        time.sleep(0.5)  # it is asked, and answers
        os.kill(pids_of(layout, 0)[0], signal.SIGSTOP)
        wait_for(lambda: len(pids_of(layout, 0)) >= 2)
        assert len(pids_of(layout, 1)) == 1
    finally:
        assert stop(supervisor) == 0
    said = layout.log("c0").read_text()
    assert "it hangs, and is ended and started again" in said
    assert "Fatal Python error: Aborted" in said and "run_forever" in said
    assert "ended with signal 6" in said


def test_aborted_process_dumps_no_core() -> None:
    code = "import resource as r; r.setrlimit(r.RLIMIT_CORE, (4096, 8192)); print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout and child.stdout.readline()
        supervisor_module._keep_from_dumping(child.pid)
        assert resource.prlimit(child.pid, resource.RLIMIT_CORE) == (0, 8192)
        child.kill()


def test_state_that_could_not_be_written_is_written_when_it_can_be(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_WRITE_AGAIN_S", 0.05)
    in_the_way = layout.state
    supervisor = start(layout, "stay")
    try:
        wait_for(lambda: pids_of(layout, 0) and read_state(layout))
        in_the_way.unlink()
        in_the_way.mkdir()
        os.kill(pids_of(layout, 0)[0], signal.SIGKILL)
        wait_for(lambda: len(pids_of(layout, 0)) == 2)
        time.sleep(0.1)
        in_the_way.rmdir()
        wait_for(lambda: read_state(layout).get("components", [{"restarts": 0}])[0]["restarts"] == 1)
    finally:
        assert stop(supervisor) == 0


def test_process_that_ended_is_told_from_one_that_runs() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    wait_for(lambda: not is_alive(child))  # a zombie
    os.waitpid(child, 0)
    assert not is_alive(child) and is_alive(os.getpid())
