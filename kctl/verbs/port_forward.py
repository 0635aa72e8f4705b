"""`kctl port-forward`: local ports that lead into a pod, one websocket for each connection."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import sys
import threading
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.pods_of import one_pod
from kctl.session import Session
from kctl.targets import one_target

USAGE = "port-forward (POD | TYPE/NAME) [LOCAL:]REMOTE... [flags]"
EXAMPLES = (
    ("Local 8080 to the pod's 80", "kctl port-forward web-0 8080:80"),
    ("Through a Service, on a free local port", "kctl port-forward service/web :80"),
)
FLAGS = (
    Flag("address", type="list", default=["localhost"], help="local addresses to listen on"),
    Flag("pod-running-timeout", default="", help="accepted for kubectl's sake", hidden=True),
)


def run(options: Options, session: Session) -> int:
    if len(options.args) < 2:
        raise Failure("TYPE/NAME and list of ports are required for port-forward")
    target, pairs = options.args[0], options.args[1:]
    pod = one_pod(session, [target])
    if pod.get("status", {}).get("phase") != "Running":
        raise Failure(
            f"unable to forward port because pod is not running. Current status={pod.get('status', {}).get('phase')}"
        )
    listeners: list[tuple[socket.socket, int]] = []
    for pair in pairs:
        local, remote = _ports(session, target, pod, pair)
        listeners += _listen(options.address, local, remote)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for listener, remote in listeners:
        thread = threading.Thread(target=_serve, args=(session, pod, listener, remote), daemon=True)
        thread.start()
    sys.stdout.flush()
    threading.Event().wait()
    return 0


def _ports(session: Session, target: str, pod: dict[str, Any], pair: str) -> tuple[int, int]:
    """(local, remote) from LOCAL:REMOTE, REMOTE or :REMOTE; names and Service ports become the container's numbers."""
    local, colon, remote = pair.rpartition(":")
    if not colon:
        local = remote
    number = _remote(session, target, pod, remote)
    if not colon and not remote.isdigit():
        local = str(number)
    try:
        return int(local or 0), number
    except ValueError:
        raise Failure(f'error parsing local port "{local}"') from None


def _remote(session: Session, target: str, pod: dict[str, Any], text: str) -> int:
    named = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
        if port.get("name")
    }
    if "/" in target:
        info, name = one_target(session.mapper, [target])
        if info.gvr.kind == "Service":
            service = session.rest.get(info.gvr.path(session.namespace, name))
            for port in service["spec"].get("ports") or ():
                if text in (str(port["port"]), port.get("name")):
                    wanted = port.get("targetPort", port["port"])
                    text = str(wanted)
                    break
            else:
                raise Failure(f"Service {name} does not have a service port {text}")
    if text in named:
        return int(named[text])
    try:
        return int(text)
    except ValueError:
        raise Failure(f'pod {pod["metadata"]["name"]} does not have a named port "{text}"') from None


def _listen(addresses: list[str], local: int, remote: int) -> list[tuple[socket.socket, int]]:
    found: list[tuple[socket.socket, int]] = []
    trouble = ""
    names = [
        a for address in addresses for a in (("127.0.0.1", "::1") if address == "localhost" else (address,))
    ]
    for address in names:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listener = socket.create_server((address, local), family=family)
        except OSError as error:
            trouble = f"unable to listen on port {local} of {address}: {error.strerror}"
            continue
        local = listener.getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        print(f"Forwarding from {shown}:{local} -> {remote}")
        found.append((listener, remote))
    if not found:
        raise Failure(trouble)
    return found


def _serve(session: Session, pod: dict[str, Any], listener: socket.socket, remote: int) -> None:
    while True:
        connection, _ = listener.accept()
        print(f"Handling connection for {listener.getsockname()[1]}", flush=True)
        threading.Thread(target=_forward, args=(session, pod, connection, remote), daemon=True).start()


def _forward(session: Session, pod: dict[str, Any], connection: socket.socket, remote: int) -> None:
    """Channel 0 is data, channel 1 an error text; each starts with the port as two little-endian bytes."""
    from websockets.exceptions import ConnectionClosed

    from kctl.session import explain_failure
    from kctl.streaming import PORT_PROTOCOLS, connect

    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/portforward"
    try:
        with connection, connect(session.config, path, [("ports", str(remote))], PORT_PROTOCOLS) as stream:

            def send() -> None:
                with contextlib.suppress(OSError, ConnectionClosed):
                    while data := connection.recv(65536):
                        stream.send(b"\0" + data)
                    stream.close()

            threading.Thread(target=send, daemon=True).start()
            started = {0: False, 1: False}
            with contextlib.suppress(ConnectionClosed, OSError):
                for message in stream:
                    data = message if isinstance(message, bytes) else message.encode()
                    channel, data = data[0], data[1:]
                    if not started[channel]:
                        started[channel] = True
                        if data[:2] == struct.pack("<H", remote):
                            data = data[2:]
                    if channel == 0:
                        connection.sendall(data)
                    elif data:
                        print(f"error: {data.decode(errors='replace')}", file=sys.stderr)
    except Exception as error:  # one connection's trouble is not the others'
        print(explain_failure(error) or f"error: {error!r}", file=sys.stderr)
