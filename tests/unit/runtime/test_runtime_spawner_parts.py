"""The spawner's pieces without a kernel: users, log files, messages, records, root file system steps."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from runtime.spawner.container import Container, plan_exit, plan_lost, plan_start_failure
from runtime.spawner.host import Host
from runtime.spawner.identity import StartError, find_program
from runtime.spawner.output import Attacher, LogFile, Output
from runtime.spawner.records import Records
from runtime.spawner.user import UserError, resolve
from runtime.spawner.wire import Channel, ConnectionLost

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\nbroken\n"
GROUP = "root:x:0:\napp:x:1002:\nextra:x:3000:app,other\nmore:x:3001:app\n"


@pytest.mark.parametrize(
    ("wanted", "uid", "gid", "groups", "home"),
    [
        ({}, 0, 0, [0], "/root"),
        ({"name": "app"}, 1001, 1002, [1002, 3000, 3001], "/home/app"),
        ({"name": "app:extra"}, 1001, 3000, [3000, 3001], "/home/app"),
        ({"name": "1001"}, 1001, 1002, [1002, 3000, 3001], "/home/app"),
        ({"name": "77:88"}, 77, 88, [88], "/"),
        ({"uid": 77}, 77, 0, [0], "/"),
        ({"uid": 1001, "gid": 5, "groups": [6, 6, 5]}, 1001, 5, [5, 6, 3000, 3001], "/home/app"),
        ({"uid": 1001, "groups": [9], "policy": "Strict"}, 1001, 1002, [1002, 9], "/home/app"),
        ({"uid": 0, "name": "app"}, 0, 0, [0], "/root"),
    ],
)
def test_user_is_looked_up_in_the_containers_files(
    wanted: dict[str, Any], uid: int, gid: int, groups: list[int], home: str
) -> None:
    found = resolve(wanted, PASSWD, GROUP)
    assert (found.uid, found.gid, found.groups, found.home) == (uid, gid, groups, home)


@pytest.mark.parametrize("name", ["nobody", "app:nogroup"])
def test_unknown_names_are_told(name: str) -> None:
    with pytest.raises(UserError, match="no matching entries"):
        resolve({"name": name}, PASSWD, GROUP)


def test_program_is_found_on_the_path(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("")
    env = {"PATH": f"/nowhere:{tmp_path}"}
    with pytest.raises(StartError, match="permission denied"):
        find_program(["tool"], env)
    program.chmod(0o755)
    assert find_program(["tool"], env) == str(program)
    assert find_program([str(program)], {}) == str(program)
    for args, cause in (
        (["gone"], "executable file not found"),
        ([], "no command"),
        (["/gone"], "no such file"),
    ):
        with pytest.raises(StartError, match=cause):
            find_program(args, env)


def lines_of(path: Path) -> list[tuple[str, str, str]]:
    return [tuple(line.split(" ", 3)[1:]) for line in path.read_text().splitlines()]


def test_log_keeps_streams_apart_and_leaves_what_has_no_newline_a_part(tmp_path: Path) -> None:
    path = tmp_path / "c/0.log"
    log = LogFile(str(path), 1 << 20, 5)
    log.open()
    log.feed("stdout", b"he")
    log.feed("stderr", b"oops\n")
    log.feed("stdout", b"llo\nrest")
    log.end("stdout")
    log.close()
    assert lines_of(path) == [("stderr", "F", "oops"), ("stdout", "F", "hello"), ("stdout", "P", "rest")]


def test_log_survives_a_refusing_disk(tmp_path: Path) -> None:
    path = tmp_path / "c/0.log"
    log = LogFile(str(path), 1 << 20, 5)
    (tmp_path / "c").write_text("a file where the directory should be")
    log.feed("stdout", b"lost\n")
    (tmp_path / "c").unlink()
    log.feed("stdout", b"kept\n")
    log.close()
    assert lines_of(path) == [("stdout", "F", "kept")]


def test_slow_attacher_is_let_go_and_the_log_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    output = Output(LogFile(str(path), 1 << 30, 5), lambda: None)
    source, feed = os.pipe2(os.O_NONBLOCK)
    reader, theirs = os.pipe()
    output.sources[source] = "stdout"
    output.attachers.append(Attacher({"stdout": theirs}))
    for _ in range(10):
        os.write(feed, b"x" * 8191 + b"\n")
        output.drain()
    assert output.attachers == []
    assert len(lines_of(path)) == 10
    os.close(feed)
    assert output.read(source) < 0
    output.close_source(source)
    output.log.close()
    os.close(reader)


def pair() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def test_messages_of_any_size_and_descriptors_arrive_in_order() -> None:
    one, two = pair()
    read_end, write_end = os.pipe()
    one.queue({"n": 1}, [read_end])
    one.queue({"n": 2, "big": "x" * 1_000_000})
    one.queue({"n": 3}, [write_end], close_fds=True)
    got: list[tuple[dict[str, Any], list[int]]] = []
    while len(got) < 3:
        one.flush()
        got += two.receive()
    assert [message["n"] for message, _ in got] == [1, 2, 3]
    assert [len(fds) for _, fds in got] == [1, 0, 1]
    os.write(got[2][1][0], b"through")
    assert os.read(got[0][1][0], 10) == b"through"
    os.close(got[2][1][0])
    assert os.read(got[0][1][0], 10) == b""  # the sender's copy was closed when it was sent
    for fd in (read_end, *got[0][1]):
        os.close(fd)
    one.close()
    with pytest.raises(ConnectionLost):
        two.receive()
    two.close()


def test_records_are_whole_or_absent(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.save_new("a", {"id": "a"}, {"state": "CREATING"})
    records.save_state("a", {"state": "CREATED"})
    records.save_spec("half", {"id": "half"})
    records.save_state("torn", {"state": "CREATED"})
    with (tmp_path / "containers/torn.jsonl").open("a") as file:
        file.write('\n{"spec": {"id": "to')
    with (tmp_path / "containers/a.jsonl").open("a") as file:
        file.write('\n{"state": {"sta')
    records.save_sandbox("s", {"request": {}})
    again = Records(str(tmp_path))
    assert again.containers() == {"a": ({"id": "a"}, {"state": "CREATED"})}
    assert again.sandboxes() == {"s": {"request": {}}}
    for _ in range(2):
        again.forget_container("a")
        again.forget_sandbox("s")
    assert again.containers() == {}


def test_record_after_half_a_line_counts(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.save_new("a", {"id": "a"}, {"state": "CREATED"})
    with (tmp_path / "containers/a.jsonl").open("a") as file:
        file.write('\n{"state": {"sta')
    records.save_state("a", {"state": "EXITED"})
    assert records.containers() == {"a": ({"id": "a"}, {"state": "EXITED"})}


def test_record_that_a_full_disk_takes_in_part_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, write = Records(str(tmp_path)), os.write
    records.save_new("a", {"id": "a"}, {"state": "CREATED"})
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, data: write(fd, data[:9]))
        with pytest.raises(OSError, match="No space left"):
            records.save_state("a", {"state": "RUNNING"})
    records.save_state("a", {"state": "EXITED"})
    assert records.containers() == {"a": ({"id": "a"}, {"state": "EXITED"})}


RUNNING = {"state": "RUNNING", "pid": 5, "message": "", "started_at_ns": 1}


def test_exit_states_tell_their_reason() -> None:
    assert plan_exit(RUNNING, 0, 0, 0, 9)["reason"] == "Completed"
    assert plan_exit(RUNNING, 3, 0, 0, 9)["reason"] == "Error"
    assert plan_exit(RUNNING, 137, 9, 1, 9)["reason"] == "OOMKilled"
    assert plan_exit(RUNNING, 0, 0, 2, 9)["reason"] == "Completed"
    failed = plan_start_failure({**RUNNING, "state": "CREATED"}, "why", 9)
    assert (failed["exit_code"], failed["reason"], failed["message"]) == (128, "StartError", "why")


def test_lost_containers_are_killed_once() -> None:
    lost = plan_lost(RUNNING, "gone", 9)
    assert (lost["state"], lost["exit_code"], lost["message"]) == ("EXITED", 137, "gone")
    assert plan_lost(lost, "again", 10) == lost
    assert json.dumps(plan_lost({**RUNNING, "state": "CREATED"}, "gone", 9))


def test_state_that_a_full_disk_does_not_take_is_told_and_kept_in_memory(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    host = Host.__new__(Host)
    host.boot_id, host.records = "b", Records(str(tmp_path))
    container = Container({"id": "c", "sandbox": "s"})
    (tmp_path / "containers").rmdir()
    (tmp_path / "containers").write_text("")  # every write below it is refused, as on a full disk
    container.state.update(state="RUNNING")
    host._save(container)
    assert container.is_running
    assert "container c: its state could not be recorded" in capfd.readouterr().err
