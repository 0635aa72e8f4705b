"""kubectl over SPDY against real containers: one from before websockets (Debian 12's `kubernetes-client`, see
clusters.old_kubectl), and today's, told to use none. Needs root and a kernel that makes namespaces.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from clusters import Cluster, old_kubectl, running, why_no_containers

pytestmark = [pytest.mark.node]
OLD = old_kubectl()
NO_WEBSOCKETS = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: "localhost/web:1", command: [nc, -ll, -p, "9000", -e, cat]}
  - {name: in, image: "localhost/web:1", stdin: true, command: [cat]}
"""


@pytest.fixture(scope="module")
def containers() -> Iterator[Cluster]:
    if why := why_no_containers():
        pytest.skip(why)
    with running(f"spdy-{os.getpid()}") as cluster:
        cluster.kctl("images", "build-busybox", cluster.name, "--tag", "localhost/web:1").checked()
        cluster.kctl("apply", "-f", "-", input=POD).checked()
        cluster.kctl("wait", "pod/web", "--for=condition=Ready", "--timeout=30s").checked()
        yield cluster


class Kubectl:
    """A program and its environment; every call answers (exit code, stdout, stderr)."""

    def __init__(self, program: str, cluster: Cluster, env: Mapping[str, str]) -> None:
        self.program = program
        self.cluster = cluster
        self.env = {**cluster.environment(), **env}

    def __call__(self, *args: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            [self.program, *args],
            input=stdin,
            capture_output=True,
            env=self.env,
            cwd=self.cluster.scratch,
            timeout=40,
        )
        return done.returncode, done.stdout, done.stderr

    def on_terminal(
        self, *args: str, script: Sequence[tuple[bytes, bytes | tuple[int, int]]]
    ) -> tuple[int, bytes]:
        """(exit code, all that was shown). When the first text of a step has been shown, its answer is typed, or the
        window becomes (rows, columns) and Enter is typed."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.program, [self.program, *args], self.env)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
        shown, steps, seen, end = b"", list(script), 0, time.monotonic() + 40
        try:
            while time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    try:
                        piece = os.read(terminal, 65536)
                    except OSError:
                        break
                    shown += piece
                while steps and (at := shown.find(steps[0][0], seen)) >= 0:
                    seen, answer = at + len(steps[0][0]), steps.pop(0)[1]
                    if isinstance(answer, tuple):
                        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *answer, 0, 0))
                        answer = b"\n"
                    os.write(terminal, answer)
            else:
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(terminal)
            _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), shown

    @contextmanager
    def forwarding(self, *ports: str) -> Iterator[list[int]]:
        """The local port of each."""
        process = subprocess.Popen(
            [self.program, "port-forward", "--address=127.0.0.1", "pod/web", *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.env,
        )
        try:
            assert process.stdout is not None
            told = [re.search(r":(\d+) -> ", process.stdout.readline()) for _ in ports]
            yield [int(each[1]) for each in told if each]
        finally:
            process.terminate()
            process.communicate(timeout=10)


@pytest.fixture(params=["1.20", "today"])
def kubectl(request: pytest.FixtureRequest, containers: Cluster) -> Kubectl:
    if request.param == "1.20":
        if not OLD:
            pytest.skip("no kubectl from before websockets: name one in KCTL_TEST_OLD_KUBECTL")
        return Kubectl(OLD, containers, {})
    program = shutil.which("kubectl")
    if not program:
        pytest.skip("kubectl is not on the PATH")
    return Kubectl(program, containers, NO_WEBSOCKETS)


def test_exec_carries_output_input_and_the_exit_code(kubectl):
    code, out, err = kubectl("exec", "web", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (code, out) == (7, b"out\n")
    assert err == b"err\ncommand terminated with exit code 7\n"
    data = random.Random(1).randbytes(3_000_000)
    code, out, _ = kubectl("exec", "-i", "web", "-c", "main", "--", "cat", stdin=data)
    assert code == 0 and hashlib.sha256(out).digest() == hashlib.sha256(data).digest()
    code, _, err = kubectl("exec", "web", "-c", "main", "--", "no-such-command")
    assert code == 1 and b"executable file not found" in err
    code, _, err = kubectl("exec", "web", "-c", "nobody", "--", "true")
    assert code == 1 and b"container nobody is not valid for pod web" in err


def test_exec_on_a_terminal_follows_the_window(kubectl):
    script = [
        (b"# ", b"stty size\n"),
        (b"33 111", (40, 90)),
        (b"# ", b"until stty size | grep 40; do sleep 0.1; done\n"),
        (b"40 90", b"exit 5\n"),
    ]
    code, shown = kubectl.on_terminal("exec", "-it", "web", "-c", "main", "--", "sh", script=script)
    assert code == 5 and b"40 90" in shown


def test_files_are_copied_both_ways(kubectl):
    here = kubectl.cluster.scratch / "sent"
    here.write_bytes(random.Random(2).randbytes(500_000))
    assert kubectl("cp", "sent", "web:/tmp/there", "-c", "main")[0] == 0
    assert kubectl("cp", "web:/tmp/there", "back", "-c", "main")[0] == 0
    assert (kubectl.cluster.scratch / "back").read_bytes() == here.read_bytes()


def test_run_and_attach_carry_input_to_a_new_container(kubectl):
    name = f"once-{random.Random().randrange(1 << 32):x}"
    options = ["--rm", "-i", "--restart=Never", "--image=localhost/web:1", "--command"]
    code, out, _ = kubectl("run", name, *options, "--", "sh", "-c", "cat; exit 4", stdin=b"typed\n")
    assert code == 4 and b"typed\n" in out
    pod = kubectl.cluster.kctl("get", "pod", name)
    assert pod.code != 0 and "not found" in pod.err


def test_attach_joins_a_running_container(kubectl):
    process = subprocess.Popen(
        [kubectl.program, "attach", "-i", "web", "-c", "in"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kubectl.env,
    )
    assert process.stdin and process.stdout
    try:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"
    finally:
        process.kill()
        process.communicate()


def exchange(port: int, data: bytes, got: list[bytes]) -> None:
    """Sends all of `data`, then its end; appends what came back until the other side's end."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        sending = threading.Thread(
            target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR))
        )
        sending.start()
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        sending.join()
    got.append(answer)


def test_port_forward_carries_several_connections_and_closes_one_that_is_refused(kubectl):
    with kubectl.forwarding(":9000", ":9001") as (echo, nobody):
        data = [random.Random(seed).randbytes(2_000_000) for seed in range(3)]
        got: list[bytes] = []
        threads = [threading.Thread(target=exchange, args=(echo, each, got)) for each in data]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        digests = {hashlib.sha256(each).hexdigest() for each in got}
        assert digests == {hashlib.sha256(each).hexdigest() for each in data}
        # Last: since 1.23 kubectl gives up forwarding altogether when a port is refused.
        with socket.create_connection(("127.0.0.1", nobody), timeout=20) as refused:
            assert refused.recv(1) == b""
