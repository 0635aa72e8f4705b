"""exec, attach and port-forward over websockets: the channel protocol's client side.

Messages are binary; the first byte is the channel: 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal
size; 255 (v5) closes the channel its second byte names. Source: KEP-4006.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from client.kubeconfig import ClientConfig
from kctl.failure import Failure
from kctl.rest import Unreachable, identity_headers, to_error

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
PORT_PROTOCOLS = ("v4.channel.k8s.io",)


def connect(
    config: ClientConfig, path: str, query: list[tuple[str, str]], protocols: tuple[str, ...]
) -> ClientConnection:
    """Opens the websocket. Raises ApiError for a refusal, Unreachable where nothing answers."""
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.sync.client import connect as open_socket
    from websockets.typing import Subprotocol

    url = urlsplit(config.server)
    scheme = "wss" if url.scheme == "https" else "ws"
    target = f"{scheme}://{url.netloc}{url.path.rstrip('/')}{path}?{urlencode(query)}"
    try:
        return open_socket(
            target,
            ssl=config.ssl_context(),
            server_hostname=config.tls_server_name or None,
            subprotocols=[Subprotocol(each) for each in protocols],
            additional_headers=identity_headers(config),
            compression=None,
            max_size=None,
            proxy=None,
            open_timeout=30,
        )
    except InvalidStatus as error:
        raise to_error(error.response.status_code, bytes(error.response.body or b"")) from error
    except (InvalidHandshake, OSError, TimeoutError) as error:
        raise Unreachable(f"cannot open a stream to the server at {config.server}: {error}") from error


def run_session(socket: ClientConnection, *, stdin: bool, tty: bool) -> int:
    """Joins this terminal to the far one until that ends; returns the command's exit code."""
    done = threading.Event()
    closes_stdin = socket.subprotocol == EXEC_PROTOCOLS[0]
    with _raw_terminal(tty and stdin) as raw:
        if tty:
            _send_size(socket)
            previous = signal.signal(signal.SIGWINCH, lambda *_: _send_size(socket))
        if stdin:
            pump = threading.Thread(target=_pump_stdin, args=(socket, done, closes_stdin), daemon=True)
            pump.start()
        try:
            return _read_until_status(socket)
        finally:
            done.set()
            if tty:
                signal.signal(signal.SIGWINCH, previous)
            raw.restore()


def _read_until_status(socket: ClientConnection) -> int:
    from websockets.exceptions import ConnectionClosed

    outputs = {STDOUT: sys.stdout.buffer, STDERR: sys.stderr.buffer}
    try:
        while True:
            message = socket.recv()
            data = message if isinstance(message, bytes) else message.encode()
            channel = data[0] if data else -1
            if channel in outputs:
                outputs[channel].write(data[1:])
                outputs[channel].flush()
            elif channel == ERROR:
                return exit_code(json.loads(data[1:]))
    except ConnectionClosed as error:
        raise Failure(f"the connection ended before the command did: {error}") from error


def exit_code(status: dict[str, Any]) -> int:
    """From the final Status. Raises Failure for anything but a command that ran."""
    if status.get("status") == "Success":
        return 0
    if status.get("reason") == "NonZeroExitCode":
        for cause in (status.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
    raise Failure(status.get("message") or "the command failed")


def _pump_stdin(socket: ClientConnection, done: threading.Event, closes: bool) -> None:
    from websockets.exceptions import ConnectionClosed

    descriptor = sys.stdin.fileno()
    with contextlib.suppress(ConnectionClosed, OSError, ValueError):
        while not done.is_set():
            if not select.select([descriptor], [], [], 0.2)[0]:
                continue
            data = os.read(descriptor, 65536)
            if not data:
                if closes:
                    socket.send(bytes((CLOSE, STDIN)))
                return
            socket.send(bytes((STDIN,)) + data)


def _send_size(socket: ClientConnection) -> None:
    from websockets.exceptions import ConnectionClosed

    columns, rows = shutil.get_terminal_size()
    with contextlib.suppress(ConnectionClosed):
        socket.send(bytes((RESIZE,)) + json.dumps({"Width": columns, "Height": rows}).encode())


class _Terminal:
    def __init__(self, restore: Callable[[], None]) -> None:
        self.restore = restore


@contextlib.contextmanager
def _raw_terminal(wanted: bool) -> Iterator[_Terminal]:
    """Keys go to the far terminal unread by this one; always put back."""
    if not wanted or not sys.stdin.isatty():
        yield _Terminal(lambda: None)
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)

    def restore() -> None:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    tty.setraw(sys.stdin)
    try:
        yield _Terminal(restore)
    finally:
        restore()


def run_command(
    config: ClientConfig, path: str, query: list[tuple[str, str]], data: Iterator[bytes] | None, out: Any
) -> tuple[int, bytes]:
    """A command without a terminal: feeds `data` to its stdin, writes its stdout to `out`.

    Returns (exit code, what it wrote to stderr).
    """
    errors = bytearray()
    with connect(config, path, query, EXEC_PROTOCOLS[:1]) as socket:
        if data is not None:

            def feed(pieces: Iterator[bytes]) -> None:
                from websockets.exceptions import ConnectionClosed

                with contextlib.suppress(ConnectionClosed):
                    for piece in pieces:
                        socket.send(bytes((STDIN,)) + piece)
                    socket.send(bytes((CLOSE, STDIN)))

            threading.Thread(target=feed, args=(data,), daemon=True).start()
        while True:
            message = socket.recv()
            data_in = message if isinstance(message, bytes) else message.encode()
            if data_in[:1] == bytes((STDOUT,)):
                out.write(data_in[1:])
            elif data_in[:1] == bytes((STDERR,)):
                errors += data_in[1:]
            elif data_in[:1] == bytes((ERROR,)):
                return exit_code(json.loads(data_in[1:])), bytes(errors)
