"""The whole desired ruleset as one nft transaction, and its application in a network namespace.

One table, whose rules are replaced as a whole. A verdict map finds a Service port's chain by address, protocol and port
in one look-up, however many Services there are; the chain sends the connection to an endpoint at random. Where clients are
to stick, every endpoint has a set of those it had lately, which is asked first and outlives the rules. Hairpins and traffic
that must come back this way are masqueraded. Pods send everything to their gateway, so what neighbours send each other passes
here too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from hashlib import blake2s
from pathlib import Path

from network.namespaces import enter
from network.proxy.plan import Endpoint, Forward

TABLE = "kctl-services"
_MARK = "0x4000"


class NftFailed(Exception):
    """The kernel refused the ruleset; str() holds nft's words."""


def render(
    forwards: Sequence[Forward], before: Sequence[Forward] | None = None, *, service_network: str = ""
) -> str:
    """The text of `nft -f`: pure, deterministic. From `before`, which is in force, or from any state (None).

    What goes to `service_network` and to no forward is refused, instead of leaving by the default route; "": it leaves.
    """
    alive = [f for f in forwards if f.endpoints]
    dead = [f for f in forwards if not f.endpoints]
    clients = _clients(alive)
    lines = [f"table ip {TABLE}"]
    lines += (
        [f"delete table ip {TABLE}"] if before is None else _clear(alive, [f for f in before if f.endpoints])
    )
    lines.append(f"table ip {TABLE} {{")
    for name, (_, timeout_s) in clients.items():
        flags = "flags dynamic,timeout"
        lines.append(f"  set had-{name} {{ type ipv4_addr; {flags}; timeout {timeout_s}s; }}")
    lines += _map(
        "cluster-ips", "ipv4_addr . inet_proto . inet_service", [(_key(f), f) for f in alive if f.address]
    )
    lines += _map("node-ports", "inet_proto . inet_service", [(_key(f), f) for f in alive if not f.address])
    for name, (endpoint, _) in clients.items():
        lines += _sticky_endpoint(name, endpoint)
    for forward in alive:
        lines += _chain(forward)
    lines += [
        "  chain services {",
        "    ip daddr . meta l4proto . th dport vmap @cluster-ips",
        "    fib daddr type local meta l4proto . th dport vmap @node-ports",
        "  }",
        "  chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }",
        "  chain output { type nat hook output priority -100; policy accept; jump services; }",
        "  chain postrouting {",
        "    type nat hook postrouting priority srcnat; policy accept;",
        f"    meta mark & {_MARK} == {_MARK} masquerade",
        "    ct status dnat ip saddr . ip daddr @hairpins masquerade",
        "  }",
        *_hairpins(alive),
        *_refusals(dead, service_network),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _key(forward: Forward) -> str:
    where = f"{forward.address} . " if forward.address else ""
    return f"{where}{forward.protocol} . {forward.port}"


def _chain_name(forward: Forward) -> str:
    return "svc-" + blake2s(_key(forward).encode(), digest_size=8).hexdigest()


def _map(name: str, kind: str, entries: Sequence[tuple[str, Forward]]) -> list[str]:
    elements = ", ".join(f"{key} : goto {_chain_name(forward)}" for key, forward in entries)
    body = [f"    elements = {{ {elements} }}"] if elements else []
    return [f"  map {name} {{", f"    type {kind} : verdict", *body, "  }"]


def _clear(alive: Sequence[Forward], before: Sequence[Forward]) -> list[str]:
    """Takes out every rule and what only the rules before needed; sets of clients that stay keep their clients."""
    chains = {_chain_name(f) for f in before} - {_chain_name(f) for f in alive}
    gone = sorted(_clients(before).keys() - _clients(alive).keys())
    return [
        f"flush table ip {TABLE}",
        *(f"flush map ip {TABLE} {name}" for name in ("cluster-ips", "node-ports")),
        f"flush set ip {TABLE} hairpins",
        *(f"delete chain ip {TABLE} {name}" for name in (*sorted(chains), *(f"end-{name}" for name in gone))),
        *(f"delete set ip {TABLE} had-{name}" for name in gone),
    ]


def _client_name(forward: Forward, endpoint: Endpoint) -> str:
    """Of who had an endpoint lately: equal on all addresses of the Service's port."""
    text = f"{forward.owner} {forward.protocol} {endpoint.ip} {endpoint.port} {forward.sticky_s}"
    return blake2s(text.encode(), digest_size=8).hexdigest()


def _clients(forwards: Sequence[Forward]) -> dict[str, tuple[Endpoint, int]]:
    """name → the endpoint, and how long it is remembered."""
    return {_client_name(f, each): (each, f.sticky_s) for f in forwards if f.sticky_s for each in f.endpoints}


def _sticky_endpoint(name: str, endpoint: Endpoint) -> list[str]:
    """Two rules, so that a client comes through also where no more clients fit into the set."""
    return [
        f"  chain end-{name} {{",
        f"    update @had-{name} {{ ip saddr }}",
        f"    meta l4proto {{ tcp, udp, sctp }} dnat to {endpoint.ip}:{endpoint.port}",
        "  }",
    ]


def _chain(forward: Forward) -> list[str]:
    mark = [f"    meta mark set meta mark | {_MARK}"] if forward.masquerade else []
    comment = forward.owner.replace('"', "")[:100]
    rules = _sticky_rules(forward) if forward.sticky_s else [_random_rule(forward)]
    rules[-1] += f' comment "{comment}"'
    return [f"  chain {_chain_name(forward)} {{", *mark, *(f"    {rule}" for rule in rules), "  }"]


def _random_rule(forward: Forward) -> str:
    count = len(forward.endpoints)
    if count == 1:
        only = forward.endpoints[0]
        return f"meta l4proto {forward.protocol} dnat to {only.ip}:{only.port}"
    targets = ", ".join(f"{i} : {e.ip} . {e.port}" for i, e in enumerate(forward.endpoints))
    return f"meta l4proto {forward.protocol} dnat ip to numgen random mod {count} map {{ {targets} }}"


def _sticky_rules(forward: Forward) -> list[str]:
    names = [_client_name(forward, each) for each in forward.endpoints]
    picks = ", ".join(f"{number} : goto end-{name}" for number, name in enumerate(names))
    known = [f"ip saddr @had-{name} goto end-{name}" for name in names]
    return [*known, f"numgen random mod {len(names)} vmap {{ {picks} }}"]


def _hairpins(forwards: Sequence[Forward]) -> list[str]:
    """A pod that reaches itself through a Service must see another source address than its own."""
    addresses = sorted({endpoint.ip for forward in forwards for endpoint in forward.endpoints})
    pairs = ", ".join(f"{ip} . {ip}" for ip in addresses)
    body = [f"    elements = {{ {pairs} }}"] if pairs else []
    return ["  set hairpins {", "    type ipv4_addr . ipv4_addr", *body, "  }"]


def _refusals(forwards: Sequence[Forward], service_network: str) -> list[str]:
    """Ports without an endpoint answer with a refusal, so that a client knows at once. What had one bears its address
    by now, so whatever is still for the Services' network is for nobody."""
    cluster = ", ".join(_key(f) for f in forwards if f.address)
    rules = _reject(f"ip daddr {service_network}") if service_network else []
    rules += _reject(f"ip daddr . meta l4proto . th dport {{ {cluster} }}") if cluster else []
    node = ", ".join(_key(f) for f in forwards if not f.address)
    local = _reject(f"meta l4proto . th dport {{ {node} }}") if node else []
    return [
        "  chain refuse-forward { type filter hook forward priority filter; policy accept;",
        *rules,
        "  }",
        "  chain refuse-output { type filter hook output priority filter; policy accept;",
        *rules,
        "  }",
        "  chain refuse-input { type filter hook input priority filter; policy accept;",
        *local,
        "  }",
    ]


def _reject(match: str) -> list[str]:
    """A reset for TCP: an ICMP answer would be taken for a passing trouble and waited out."""
    return [f"    meta l4proto tcp {match} reject with tcp reset", f"    {match} reject"]


async def apply(ruleset: str, netns: Path | None) -> None:
    """Runs nft once, inside `netns` where given. Raises NftFailed; then the old ruleset still stands."""
    process = await asyncio.create_subprocess_exec(
        "nft",
        "-f",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=None if netns is None else partial(enter, netns),
    )
    _, errors = await process.communicate(ruleset.encode())
    if process.returncode:
        raise NftFailed(errors.decode(errors="replace").strip()[:2000])
