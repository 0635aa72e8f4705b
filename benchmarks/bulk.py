"""Reading large answers with as little of a client as can be: a blocking TLS socket and one buffer, a thread each.

An event loop's client decrypts into buffers of its own and parses every byte, and takes three times what the server takes
to send them; this one takes as much as the server does, so that the figure is nearly the server's own.

  {"kind": "bulk", "connections": 1, "count": 9, "path": ..., "gzip": false, "touch": NAMESPACE or ""}

With `touch`, a pod is made and removed before each list, so that no answer that was kept fits.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from typing import Any

from benchmarks.sampling import median, percentile

_BUFFER_BYTES = 1 << 20
_TOUCHED = {"spec": {"containers": [{"name": "c", "image": "localhost/bench:1"}]}}


class Reader:
    """One connection."""

    def __init__(self, job: dict[str, Any], context: ssl.SSLContext) -> None:
        plain = socket.create_connection(("127.0.0.1", job["port"]), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._buffer = bytearray(_BUFFER_BYTES)
        self._host = f"127.0.0.1:{job['port']}"
        self._gzip = "Accept-Encoding: gzip\r\n" if job.get("gzip") else ""

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, int]:
        """(status, bytes of the body)"""
        lines = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n{self._gzip}"
        self._socket.sendall(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive()
        head, _, begun = head.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        left = length - len(begun)
        while left > 0:
            got = self._socket.recv_into(self._buffer)
            if not got:
                raise ConnectionError("the server closed in the midst of an answer")
            left -= got
        return int(head[9:12]), length

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        got = self._socket.recv_into(self._buffer)
        if not got:
            raise ConnectionError("the server closed a connection")
        return bytes(self._buffer[:got])


def run_bulk(job: dict[str, Any]) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=job["ca"])
    context.load_cert_chain(job["cert"], job["key"])
    seconds: list[float] = []
    sizes: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            reader = Reader(job, context)
            reader.ask("GET", job["path"])  # warm: the connection, the buffers, what the server keeps
            for index in range(job["count"]):
                if job.get("touch"):
                    _touch(reader, job["touch"], f"touched-{threading.get_ident()}-{index}")
                started = time.perf_counter()
                status, size = reader.ask("GET", job["path"])
                seconds.append(time.perf_counter() - started)
                sizes.append(size)
                if status != 200:
                    raise RuntimeError(f"a list was answered with {status}")
            reader.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(job["connections"])]
    own, begin = time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {
        "count": len(seconds),
        "wall_s": time.perf_counter() - begin,
        "own_cpu_s": time.process_time() - own,
        "p50_ms": median(seconds) * 1e3,
        "p99_ms": percentile(seconds, 99) * 1e3,
        "min_ms": min(seconds) * 1e3,
        "answer_bytes": sizes[-1],
    }


def _touch(reader: Reader, namespace: str, name: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **_TOUCHED}
    for method, target, body in (
        ("POST", path, json.dumps(pod).encode()),
        ("DELETE", f"{path}/{name}?gracePeriodSeconds=0", b""),
    ):
        status, _ = reader.ask(method, target, body)
        if status >= 300:
            raise RuntimeError(f"{method} {target} was answered with {status}")
