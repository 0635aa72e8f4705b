"""The end of a node: every container killed, every sandbox removed, the bridge and the cgroups too."""

from __future__ import annotations

import contextlib
import os

from runtime.linux.netlink import Netlink, delete_link
from runtime.spawner.host import Host, Message, Reply
from runtime.spawner.netmaker import BRIDGE
from runtime.spawner.sandbox import unmount_pods


def shut_down(host: Host, reply: Reply) -> None:
    """Answers when nothing is left, then stops the loop. Nothing that it meets keeps it from going on."""
    waiting = set(host.sandboxes)
    groups = host.parents

    def removed(sandbox_id: str) -> None:
        waiting.discard(sandbox_id)
        if not waiting:
            host.loop.call_later(0, finish)

    def finish(attempt: int = 0) -> None:
        left = [group for group in sorted(groups) if not _remove_upwards(host, group)]
        if left and attempt < 20:
            host.loop.call_later(0.01 * (attempt + 1), lambda: finish(attempt + 1))
            return
        host.launcher.ahead.close()
        _remove_links(host)
        unmount_pods(host.directory, host.syscalls)
        reply({"left": left})
        host.loop.call_later(0.01, host.loop.stop)

    for sandbox_id in list(waiting):

        def answer(_: Message, fds: tuple[int, ...] = (), sandbox_id: str = sandbox_id) -> None:
            removed(sandbox_id)

        host.remove_sandbox({"id": sandbox_id}, [], answer)
    if not host.sandboxes and not waiting:
        finish()


def _remove_upwards(host: Host, group: str) -> bool:
    """Removes the pods' parent, and its own parents as far as they are empty (others' may stand there)."""
    is_gone = host.tree.remove(group)
    while (group := os.path.dirname(group)).strip("/"):
        host.tree.remove(group)
    return is_gone


def _remove_links(host: Host) -> None:
    had_bridge = host.pool.is_ready
    names = host.pool.close()
    if not had_bridge:
        return
    netlink = Netlink()
    mine = [name for name in netlink.link_names() if name in names]
    with contextlib.suppress(OSError):
        netlink.send([delete_link(name) for name in [*mine, BRIDGE]])
    netlink.close()
