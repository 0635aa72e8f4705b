"""CEL: ip(), cidr() and what can be asked of addresses and networks. IPv4 in IPv6 and zones are refused."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from machinery.cel.function import Function, marked

_IP, _CIDR = "$ip", "$cidr"
_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


def _parse_ip(text: str) -> _Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string') from None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise ValueError("IPv4-mapped IPv6 addresses and IPv6 addresses with zones are not allowed")
    return address


def _parse_cidr(text: str) -> tuple[_Address, _Network]:
    address, slash, length = text.partition("/")
    if not slash or not length.isdigit() or (length != "0" and length.startswith("0")):
        raise ValueError("network address parse error during conversion from string")
    parsed = _parse_ip(address)
    try:
        return parsed, ipaddress.ip_network(f"{parsed}/{length}", strict=False)
    except ValueError:
        raise ValueError("network address parse error during conversion from string") from None


def _succeeds(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _ip_of(value: Any) -> _Address:
    return ipaddress.ip_address(marked(value, _IP))


def _cidr_of(value: Any) -> tuple[_Address, _Network]:
    return _parse_cidr(marked(value, _CIDR))


def _wrap_ip(address: _Address) -> dict[str, Any]:
    return {_IP: str(address)}


def _wrap_cidr(text: str) -> dict[str, Any]:
    address, network = _parse_cidr(text)
    return {_CIDR: f"{address}/{network.prefixlen}"}


def _contains(network: _Network, inner: _Address | _Network) -> bool:
    if network.version != inner.version:
        return False
    if isinstance(inner, (IPv4Address, IPv6Address)):
        return inner in network
    return inner.prefixlen >= network.prefixlen and inner.network_address in network


def _is_canonical(text: str) -> bool:
    return str(_parse_ip(text)) == text


def _is_global(address: _Address) -> bool:
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or str(address) == "255.255.255.255"
    )


def _is_link_local_multicast(address: _Address) -> bool:
    if isinstance(address, IPv4Address):
        return address in IPv4Network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


def _text(value: dict[str, Any]) -> str:
    for mark in (_IP, _CIDR):
        if mark in value:
            return str(value[mark])
    raise ValueError("no such overload")


FUNCTIONS = (
    Function("ip", ("string",), "map", lambda text: _wrap_ip(_parse_ip(text))),
    Function("isIP", ("string",), "bool", lambda text: _succeeds(_parse_ip, text)),
    Function("ip.isCanonical", ("string",), "bool", _is_canonical),
    Function("family", ("map",), "int", lambda ip: _ip_of(ip).version, True),
    Function("isUnspecified", ("map",), "bool", lambda ip: _ip_of(ip).is_unspecified, True),
    Function("isLoopback", ("map",), "bool", lambda ip: _ip_of(ip).is_loopback, True),
    Function("isLinkLocalMulticast", ("map",), "bool", lambda ip: _is_link_local_multicast(_ip_of(ip)), True),
    Function("isLinkLocalUnicast", ("map",), "bool", lambda ip: _ip_of(ip).is_link_local, True),
    Function("isGlobalUnicast", ("map",), "bool", lambda ip: _is_global(_ip_of(ip)), True),
    Function("cidr", ("string",), "map", _wrap_cidr),
    Function("isCIDR", ("string",), "bool", lambda text: _succeeds(_parse_cidr, text)),
    Function("containsIP", ("map", "map"), "bool", lambda c, ip: _contains(_cidr_of(c)[1], _ip_of(ip)), True),
    Function(
        "containsIP", ("map", "string"), "bool", lambda c, ip: _contains(_cidr_of(c)[1], _parse_ip(ip)), True
    ),
    Function(
        "containsCIDR", ("map", "map"), "bool", lambda c, n: _contains(_cidr_of(c)[1], _cidr_of(n)[1]), True
    ),
    Function(
        "containsCIDR",
        ("map", "string"),
        "bool",
        lambda c, n: _contains(_cidr_of(c)[1], _parse_cidr(n)[1]),
        True,
    ),
    Function("ip", ("map",), "map", lambda c: _wrap_ip(_cidr_of(c)[0]), True),
    Function("masked", ("map",), "map", lambda c: {_CIDR: str(_cidr_of(c)[1])}, True),
    Function("prefixLength", ("map",), "int", lambda c: _cidr_of(c)[1].prefixlen, True),
    Function("string", ("map",), "string", _text),
)
