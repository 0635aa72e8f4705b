"""A helper process that makes pod networks ahead and takes them down, so that the spawner never waits.

Making a network namespace can block behind the teardown of another, and deleting a veth pair takes tens
of milliseconds: both happen here. One message per line over a SEQPACKET socket:

    spawner → {"make": N}                    N more pod networks, made one by one, between deletions
              {"drop": [names]}              deletes host ends
              {"bridge": {"name", "address", "prefix"}}
    here    → {"made": name, "index": eth0} + [netns, netlink socket inside it]     eth0 is there and up, without address
              {"failed": text}, {"bridge_failed": text}

Dies with the spawner.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import signal
import socket
from collections import deque
from typing import Any, NoReturn

from runtime.linux.constants import CLONE_NEWNET
from runtime.linux.namespaces import OwnNamespaces
from runtime.linux.netlink import (
    Netlink,
    add_address,
    add_bridge,
    add_veth,
    delete_link,
    set_port,
    set_up,
)
from runtime.linux.syscalls import Syscalls
from runtime.spawner.child import keep_only

BRIDGE = "cni0"


def bridge_mac(address: str) -> bytes:
    """A locally administered address made of the gateway's: stable over restarts."""
    return b"\x0a\x58" + socket.inet_aton(address)


class Netmaker:
    def __init__(self, syscalls: Syscalls, link: socket.socket, mtu: int) -> None:
        self._own = OwnNamespaces(syscalls)
        self._link = link
        self._mtu = mtu
        self._netlink = Netlink()
        self._to_make = 0
        self._to_drop: deque[str] = deque()
        self._bridge = 0

    def run(self) -> None:
        while True:
            busy = (self._to_make and self._bridge) or self._to_drop
            self._link.setblocking(not busy)
            try:
                data = self._link.recv(65536)
            except BlockingIOError:
                data = None
            except OSError:
                return
            if data == b"":
                return
            if data:
                self._take(json.loads(data))
            elif self._to_make and self._bridge:
                self._to_make -= 1
                self._make()
            elif self._to_drop:
                with contextlib.suppress(OSError):
                    self._netlink.send([delete_link(self._to_drop.popleft())])

    def _take(self, message: dict[str, Any]) -> None:
        self._to_make += int(message.get("make", 0))
        self._to_drop.extend(message.get("drop", ()))
        if "bridge" in message:
            try:
                self._ensure_bridge(message["bridge"])
            except OSError as refused:
                self._tell({"bridge_failed": f"bridge {BRIDGE}: {refused.strerror}"})

    def _ensure_bridge(self, wanted: dict[str, Any]) -> None:
        self._netlink.send([add_bridge(BRIDGE, bridge_mac(wanted["address"]))])
        index = socket.if_nametoindex(BRIDGE)
        self._netlink.send(
            [set_up(1), set_up(index), add_address(index, wanted["address"], wanted["prefix"])]
        )
        for name, value in (
            ("ip_forward", "1"),
            (f"conf/{BRIDGE}/send_redirects", "0"),
            ("conf/all/send_redirects", "0"),
            (f"conf/{BRIDGE}/route_localnet", "1"),
        ):
            with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
                file.write(value)
        self._bridge = index

    def _make(self) -> None:
        serial = os.urandom(5)
        name = f"veth{serial.hex()}"
        try:
            netns = self._own.made_aside(CLONE_NEWNET)[CLONE_NEWNET]
        except OSError as refused:
            self._tell({"failed": f"network namespace: {refused.strerror}"})
            return
        try:
            mac, peer_mac = b"\x0a" + serial, b"\x0e" + serial
            self._netlink.send(
                [add_veth(name, "eth0", netns, mac, peer_mac, master=self._bridge, mtu=self._mtu)]
            )
            # Not isolated: where br_netfilter is on, what it has translated goes from port to port.
            self._netlink.send([set_port(socket.if_nametoindex(name), hairpin=True, isolated=False)])
            with self._own.inside({CLONE_NEWNET: netns}):
                inside = Netlink()
                index = socket.if_nametoindex("eth0")  # not always 2: some kernels add tunnel links
                inside.send([set_up(1), set_up(index)])
            self._tell({"made": name, "index": index}, [netns, inside.fileno()])
            inside.close()
        except OSError as refused:
            self._to_drop.append(name)
            self._tell({"failed": f"pod network: {refused.strerror}"})
        finally:
            os.close(netns)

    def _tell(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self._link.setblocking(True)
        self._link.sendmsg([json.dumps(message).encode()], extra)


def start(syscalls: Syscalls, mtu: int) -> tuple[int, socket.socket]:
    """Forks the helper: (pid, the spawner's end)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            keep_only(theirs.fileno())
            syscalls.set_parent_death_signal(signal.SIGKILL)
            Netmaker(syscalls, theirs, mtu).run()
        finally:
            _leave()
    theirs.close()
    return pid, ours


def _leave() -> NoReturn:
    os._exit(0)
