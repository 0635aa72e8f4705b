"""A crowd of watchers, read with as little of a client as can be: epoll, blocking-free TLS sockets and one buffer for all.

An event loop's client with a parser of HTTP takes twice what the server takes to send, and two thirds of it are not TLS; this
one decrypts everything, counts every event by its line's end, notes when it was read, and does the rest afterwards.

  {"kind": "paced", "watchers": 1000, "per_s": 100, "seconds": 5, ...}     open loop: writes at a steady pace
  {"kind": "fanout", "watchers": 100, "singles": 30, "burst_s": 2, "window": 16, ...}

What some watchers got is kept and parsed in the end: each of them must have every written pod once, by ascending revisions,
and all the same; of the others the number of events must be right.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import procfs
from benchmarks.messages import Messages
from benchmarks.sampling import median, percentile

_BUFFER_BYTES = 64 * 1024
_KEPT = 8  # watchers whose every byte is looked at in the end
_AT_ONCE = 64  # sockets served before the clock is looked at
_NAP_S = 0.001  # rather than being woken by each write, at the writer's expense
_LIMIT_S = 60.0  # without any news
_NEWLINE, _BRACE = ord("\n"), ord("}")


class Connection:
    def __init__(self, messages: Messages, port: int, buffer: bytearray) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = messages.context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.buffer = buffer

    def receive(self) -> int:
        """How many bytes lie in the buffer now: those of one TLS record, or none. Raises ConnectionError."""
        try:
            size = self.tls.recv_into(self.buffer)
        except ssl.SSLWantReadError:
            return 0
        if not size:
            raise ConnectionError("the server closed a connection")
        return size

    def head(self) -> tuple[bytes, bytes]:
        """The head of an answer, and what came with it."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.buffer[: self.receive()]
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest


class Follower(Connection):
    """One watch. `events` is how many it has got; `reads` when it got how many: (seconds, before, then)."""

    def __init__(self, messages: Messages, port: int, buffer: bytearray, path: str, *, keeps: bool) -> None:
        super().__init__(messages, port, buffer)
        self.events = 0
        self.bytes = 0
        self.reads: list[tuple[float, int, int]] = []
        self._is_after_brace = False
        self.tls.sendall(messages.get(path))
        head, rest = self.head()
        if not head.startswith(b"HTTP/1.1 200") or rest:
            raise ConnectionError(f"a watch begins with {head[:100]!r}, {rest[:100]!r}")
        self.kept = bytearray() if keeps else None
        self.tls.setblocking(False)

    def read(self) -> int:
        """Events read. A line that ends an event ends with a brace, one that ends a chunk's size or a chunk does not."""
        size = self.receive()
        if not size:
            return 0
        now = time.perf_counter()
        buffer, found, at = self.buffer, 0, -1
        find = buffer.find
        while (at := find(_NEWLINE, at + 1, size)) >= 0:
            if buffer[at - 1] == _BRACE if at else self._is_after_brace:
                found += 1
        self._is_after_brace = buffer[size - 1] == _BRACE
        self.bytes += size
        if self.kept is not None:
            self.kept += memoryview(buffer)[:size]
        if found:
            self.reads.append((now, self.events, self.events + found))
            self.events += found
        return found


class Writer(Connection):
    """Makes pods, one at a time."""

    def __init__(self, messages: Messages, port: int, buffer: bytearray) -> None:
        super().__init__(messages, port, buffer)
        self.tls.setblocking(
            False
        )  # upstream's servers begin with a TLS ticket, which is readable and says nothing
        self._left: int | None = 0  # of the answer's body; None: in chunks, to the empty one

    def write(self, request: bytes) -> None:
        self.tls.setblocking(True)
        self.tls.sendall(request)
        self.tls.setblocking(False)

    def read(self) -> bool:
        """Whether the answer is whole. Raises ConnectionError where it is a refusal."""
        data = bytes(self.buffer[: self.receive()])
        if not data:
            return False
        if self._left == 0:
            head, _, data = data.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._left = int(length) if length else None
            if not head.startswith(b"HTTP/1.1 201"):
                raise ConnectionError(f"a write was answered with {head[9:12]!r}")
        if self._left is not None:
            self._left -= len(data)
        elif data.endswith(b"0\r\n\r\n"):
            self._left = 0
        return self._left == 0


class Crowd:
    """Followers and writers on one epoll, driven by `turn`."""

    def __init__(self, job: dict[str, Any], writers: int) -> None:
        self._messages = Messages(job)
        port, buffer = job["port"], bytearray(_BUFFER_BYTES)
        self.pods = f"/api/v1/namespaces/{job['namespace']}/pods"
        query = f"watch=true&resourceVersion={job['resource_version']}&allowWatchBookmarks=false"
        opening = time.perf_counter()
        step = max(1, job["watchers"] // _KEPT)
        self.followers = [
            Follower(self._messages, port, buffer, f"{self.pods}?{query}", keeps=index % step == 0)
            for index in range(job["watchers"])
        ]
        self.opening_s = time.perf_counter() - opening
        self._epoll = select.epoll()
        self._by_fd: dict[int, Follower] = {each.tls.fileno(): each for each in self.followers}
        self._writers: dict[int, Writer] = {}
        for _ in range(writers):
            writer = Writer(self._messages, port, buffer)
            self._writers[writer.tls.fileno()] = writer
        for fd in (*self._by_fd, *self._writers):
            self._epoll.register(fd, select.EPOLLIN)
        self._free = deque(self._writers.values())
        self._requests: deque[bytes] = deque()
        self._news_at = time.perf_counter()
        self.written = 0
        self.answered = 0
        self.arrived = 0

    @property
    def is_done(self) -> bool:
        """Every write is answered and every follower has all of them."""
        return self.arrived == self.written * len(self.followers) and self.answered == self.written

    def post(self) -> None:
        self._requests.append(self._messages.post(self.pods))
        self.written += 1
        self._send()

    def turn(self, timeout_s: float) -> None:
        """Reads what there is. Raises ConnectionError, TimeoutError."""
        ready = self._epoll.poll(0, _AT_ONCE)
        if len(ready) < _AT_ONCE and timeout_s:
            time.sleep(min(timeout_s, _NAP_S))
        for fd, _ in ready:
            follower = self._by_fd.get(fd)
            if follower is not None:
                self.arrived += follower.read()
            elif self._writers[fd].read():
                self.answered += 1
                self._free.append(self._writers[fd])
                self._send()
        if ready:
            self._news_at = time.perf_counter()
        elif time.perf_counter() - self._news_at > _LIMIT_S and not self.is_done:
            raise TimeoutError(f"{self.arrived} events of {self.written} writes, and no more")

    def finish(self) -> None:
        while not self.is_done:
            self.turn(0.1)

    def _send(self) -> None:
        while self._requests and self._free:
            self._free.popleft().write(self._requests.popleft())

    def check(self) -> dict[str, Any]:
        """Raises ConnectionError where a watch is not what was written. Gives what there is to tell of it."""
        wrong = sum(each.events != self.written for each in self.followers)
        if wrong:
            raise ConnectionError(f"{wrong} watchers have another number of events than {self.written}")
        seen = [_pods_of(each.kept) for each in self.followers if each.kept is not None]
        names = [[name for name, _ in pods] for pods in seen]
        revisions = [revision for _, revision in seen[0]]
        if revisions != sorted(set(revisions)) or len(set(names[0])) != self.written:
            raise ConnectionError("a watch has events twice, or out of their order")
        if any(pods != seen[0] for pods in seen):
            raise ConnectionError("watches of the same objects differ")
        return {
            "watchers": len(self.followers),
            "fully_parsed": len(seen),
            "opening_s": self.opening_s,
            "event_bytes": sum(each.bytes for each in self.followers) / max(1, self.arrived),
            "events_a_read": self.arrived / max(1, sum(len(each.reads) for each in self.followers)),
        }

    def close(self) -> None:
        for each in (*self.followers, *self._writers.values()):
            each.tls.close()


def _lines(stream: bytearray) -> Iterator[bytes]:
    """The lines of a chunked body."""
    body, at = bytearray(), 0
    while at < len(stream):
        end = stream.index(b"\r\n", at)
        size = int(stream[at:end], 16)
        body += stream[end + 2 : end + 2 + size]
        at = end + 4 + size
    return iter(bytes(body).splitlines())


def _pods_of(stream: bytearray) -> Sequence[tuple[str, int]]:
    """(name, revision) of each pod that a watch told of; all must have been new."""
    events = [json.loads(line) for line in _lines(stream)]
    if any(event["type"] != "ADDED" for event in events):
        raise ConnectionError("a watch tells of other things than new pods")
    metas = [event["object"]["metadata"] for event in events]
    return [(meta["name"], int(meta["resourceVersion"])) for meta in metas]


def run_paced(job: dict[str, Any]) -> dict[str, Any]:
    """Writes at a steady pace, whether or not the ones before have arrived; counted is each event's time from when its write
    was due until it is read, for every watcher. Events are matched to writes by their order."""
    crowd = Crowd(job, writers=32)
    step_s, count = 1 / job["per_s"], int(job["seconds"] * job["per_s"])
    own, server, start = time.process_time(), procfs.cpu_s(job["server_pid"]), time.perf_counter()
    while crowd.written < count:
        left_s = start + crowd.written * step_s - time.perf_counter()
        if left_s <= 0:
            crowd.post()
        crowd.turn(max(0.0, left_s))
    crowd.finish()
    wall_s, own_s = time.perf_counter() - start, time.process_time() - own
    server_s = procfs.cpu_s(job["server_pid"]) - server
    taken = [
        now - (start + index * step_s)
        for follower in crowd.followers
        for now, first, end in follower.reads
        for index in range(first, end)
    ]
    found = crowd.check()
    crowd.close()
    return {
        **found,
        "writes": count,
        "per_s": count / wall_s,
        "p50_ms": median(taken) * 1e3,
        "p99_ms": percentile(taken, 99) * 1e3,
        "own_core_share": own_s / wall_s,
        "server_core_share": server_s / wall_s,
        "wall_s": wall_s,
    }


def run_fanout(job: dict[str, Any]) -> dict[str, Any]:
    """First one write at a time (how long until the last watcher has it), then windows of several (deliveries a second); the
    next write waits until every watcher has the last one."""
    crowd = Crowd(job, writers=job["window"])

    def write(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            crowd.post()
        crowd.finish()
        return time.perf_counter() - started

    write(1)
    singles = [write(1) for _ in range(job["singles"])]
    own, server, before = time.process_time(), procfs.cpu_s(job["server_pid"]), crowd.written
    begin = time.perf_counter()
    while time.perf_counter() - begin < job["burst_s"]:
        write(job["window"])
    wall_s, own_s = time.perf_counter() - begin, time.process_time() - own
    server_s = procfs.cpu_s(job["server_pid"]) - server
    writes = crowd.written - before
    found = crowd.check()
    crowd.close()
    return {
        **found,
        "single_p50_ms": median(singles) * 1e3,
        "single_p99_ms": percentile(singles, 99) * 1e3,
        "deliveries_per_s": writes * len(crowd.followers) / wall_s,
        "writes_per_s": writes / wall_s,
        "own_core_share": own_s / wall_s,
        "server_core_share": server_s / wall_s,
        "wall_s": wall_s,
    }
