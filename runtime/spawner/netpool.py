"""The spawner's side of pod networks: a stock made ahead, taken one by one, refilled at once.

`take(ready)` calls `ready(network, "")` now or when one has been made, `ready(None, why)` where making
fails. The helper that makes them (netmaker.py) is started again if it dies.
"""

from __future__ import annotations

import array
import json
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from runtime.linux.netlink import Netlink, add_address, add_route
from runtime.linux.syscalls import Syscalls
from runtime.spawner import netmaker
from runtime.spawner.loop import Loop


class PodNetwork:
    """A namespace with an eth0 that is up; `configure` gives it its address."""

    __slots__ = ("index", "link", "netns", "route_socket")

    def __init__(self, link: str, index: int, netns: int, route_socket: int) -> None:
        self.link = link
        self.index = index  # of eth0
        self.netns = netns
        self.route_socket = route_socket

    def configure(self, address: str, gateway: str) -> None:
        """A /32 with the gateway as the only neighbour: every packet passes the node, so that service
        addresses and policies hold between pods of one node too."""
        netlink = Netlink(self.route_socket)
        self.route_socket = -1
        try:
            netlink.send(
                [
                    add_address(self.index, address, 32),
                    add_route(self.index, gateway, 32),
                    add_route(self.index, gateway=gateway),
                ]
            )
        finally:
            netlink.close()

    def close(self) -> None:
        os.close(self.netns)
        if self.route_socket >= 0:
            os.close(self.route_socket)


Ready = Callable[[PodNetwork | None, str], None]


class NetworkPool:
    def __init__(self, loop: Loop, syscalls: Syscalls, size: int, mtu: int = 0) -> None:
        self._loop = loop
        self._syscalls = syscalls
        self._size = size
        self._mtu = mtu
        self._stock: deque[PodNetwork] = deque()
        self._waiting: deque[Ready] = deque()
        self._asked = 0
        self._bridge: dict[str, Any] | None = None
        self._pid = 0
        self._link: socket.socket | None = None
        self._ensure_started()

    @property
    def is_ready(self) -> bool:
        return self._bridge is not None

    def set_bridge(self, address: str, prefix: int) -> None:
        """Sets or changes the pod network's gateway; the stock is filled from now on."""
        wanted = {"address": address, "prefix": prefix}
        if wanted == self._bridge:
            return
        self._bridge = wanted
        self._ensure_started()
        self._tell({"bridge": wanted})
        self._refill()

    def take(self, ready: Ready) -> None:
        if self._bridge is None:
            ready(None, "the node has no pod network yet (no pod CIDR assigned)")
        elif self._stock:
            network = self._stock.popleft()
            self._refill()
            ready(network, "")
        else:
            self._waiting.append(ready)
            self._refill()

    def drop(self, link: str) -> None:
        """Deletes a pod's link by its host end; the rest goes with its namespace."""
        self._ensure_started()
        self._tell({"drop": [link]})

    def close(self) -> list[str]:
        """Gives the stock up; the host ends that are to be deleted."""
        names = [network.link for network in self._stock]
        for network in self._stock:
            network.close()
        self._stock.clear()
        self._bridge = None
        if self._link is not None:
            self._loop.remove(self._link.fileno())
            self._link.close()
            self._link = None
            os.waitpid(self._pid, 0)
        return names

    def _refill(self) -> None:
        missing = self._size + len(self._waiting) - len(self._stock) - self._asked
        if missing > 0:
            self._asked += missing
            self._ensure_started()
            self._tell({"make": missing})

    def _ensure_started(self) -> None:
        if self._link is None:
            self._pid, self._link = netmaker.start(self._syscalls, self._mtu)
            self._loop.add(self._link.fileno(), self._on_news)
            if self._bridge is not None:
                self._tell({"bridge": self._bridge})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._link is not None:
            self._link.send(json.dumps(message).encode())

    def _on_news(self, _: int) -> None:
        link = self._link
        if link is None:
            return
        room = socket.CMSG_SPACE(8)
        data, ancillary, _, _ = link.recvmsg(65536, room, socket.MSG_CMSG_CLOEXEC)
        if not data:
            self._lost()
            return
        message = json.loads(data)
        if "bridge_failed" in message:
            self._bridge, self._asked = None, 0
            while self._waiting:
                self._waiting.popleft()(None, message["bridge_failed"])
            return
        self._asked = max(0, self._asked - 1)
        if "made" in message:
            fds = array.array("i", ancillary[0][2])
            network = PodNetwork(message["made"], message["index"], fds[0], fds[1])
            if self._waiting:
                self._waiting.popleft()(network, "")
            else:
                self._stock.append(network)
        elif self._waiting:
            self._waiting.popleft()(None, str(message.get("failed", "")))

    def _lost(self) -> None:
        assert self._link is not None
        self._loop.remove(self._link.fileno())
        self._link.close()
        self._link = None
        self._asked = 0
        os.waitpid(self._pid, 0)
        self._loop.call_later(0.1, self._refill)
