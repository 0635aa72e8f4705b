"""IP addresses and ranges in fields that are older than the strict rules for them.

A new value is strict: no leading zeros, no IPv4 address dressed as IPv6, no bits behind a range's prefix. What the object
has already stays good, whatever it is. A good value in an unusual form is warned about.

Source: KEP-4858; Kubernetes "IP address validation".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator

from api.validation.errors import Errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_DOTTED = re.compile(r"\d+(\.\d+){3}")
_BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def parse_address(text: str) -> Address | None:
    """The address, leading zeros overlooked as old servers did; None where it is none."""
    if _DOTTED.fullmatch(text):
        parts = [int(part) for part in text.split(".") if len(part) < 9]
        if len(parts) != 4 or max(parts) > 255:
            return None
        return ipaddress.IPv4Address(".".join(map(str, parts)))
    if "%" in text or ":" not in text:
        return None
    head, _, tail = text.rpartition(":")
    if "." in tail:  # the last four bytes, dotted
        last = parse_address(tail)
        if not isinstance(last, ipaddress.IPv4Address):
            return None
        text = f"{head}:{last}"
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def _is_mapped(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def _is_plain(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def validate_ip(errors: Errors, value: str, path: str, kept: Collection[str] = ()) -> bool:
    """Whether it is good; `kept` are the values that the object had before."""
    if value in kept:
        return True
    address = parse_address(value)
    if address is None:
        errors.invalid(path, value, _BAD_IP)
    elif not _is_plain(value):
        errors.invalid(path, value, "must not have leading 0s")
    elif _is_mapped(address):
        errors.invalid(path, value, "must not be an IPv4-mapped IPv6 address")
    else:
        return True
    return False


def _parse_range(text: str) -> tuple[Address, int] | None:
    host, slash, length = text.rpartition("/")
    address = parse_address(host)
    if not slash or address is None or not length.isascii() or not length.isdecimal() or len(length) > 4:
        return None
    return (address, int(length)) if int(length) <= address.max_prefixlen else None


def _network(address: Address, length: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(f"{address}/{length}", strict=False)


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The range, bits beyond its length overlooked; None where it is none."""
    parsed = _parse_range(text)
    return None if parsed is None else _network(*parsed)


def validate_canonical_ip(errors: Errors, value: str, path: str) -> None:
    """An address in the one form that it is to have."""
    canonical = parse_address(value)
    if validate_ip(errors, value, path) and str(canonical) != value:
        errors.invalid(path, value, f'must be in canonical form ("{canonical}")')


def validate_canonical_cidr(errors: Errors, value: str, path: str) -> None:
    found = len(errors.causes)
    validate_cidr(errors, value, path)
    canonical = parse_network(value)
    if len(errors.causes) == found and str(canonical) != value:
        errors.invalid(path, value, f'must be in canonical form ("{canonical}")')


def validate_interface_address(errors: Errors, value: str, path: str) -> None:
    """An address of a network interface with the length of its network, in canonical form: `10.1.2.3/24`."""
    parsed = _parse_range(value)
    if parsed is None:
        errors.invalid(
            path, value, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"
        )
        return
    address, length = parsed
    if _is_mapped(address) or value != f"{address}/{length}":
        errors.invalid(path, value, f'must be in canonical form ("{address}/{length}")')


def validate_cidr(errors: Errors, value: str, path: str, kept: Collection[str] = ()) -> None:
    if value in kept:
        return
    parsed = _parse_range(value)
    if parsed is None:
        errors.invalid(path, value, _BAD_CIDR)
        return
    address, length = parsed
    host, _, digits = value.rpartition("/")
    if not _is_plain(host) or digits != str(length):
        errors.invalid(path, value, "must not have leading 0s in IP or prefix length")
    elif _is_mapped(address):
        errors.invalid(path, value, "must not have an IPv4-mapped IPv6 address")
    elif address != _network(address, length).network_address:
        errors.invalid(path, value, "must not have bits set beyond the prefix length")


def is_ipv6(text: str) -> bool:
    return isinstance(parse_address(text), ipaddress.IPv6Address)


def are_of_both_families(texts: Iterable[str]) -> bool:
    return {is_ipv6(text) for text in texts} == {True, False}


def endpoint_complaints(text: str) -> Iterator[str]:
    """Why no traffic can be sent to an address from elsewhere."""
    address = parse_address(text)
    if address is None:
        yield "must be a valid IP address"
        return
    if address.is_unspecified:
        yield f"may not be unspecified ({text})"
    if address.is_loopback:
        yield "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    if address.is_link_local:
        yield "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    if _is_link_local_multicast(address):
        yield "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"


def _is_link_local_multicast(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


def ip_warnings(path: str, value: str) -> Iterator[str]:
    """Of a value that passed: how it should rather be written."""
    address = parse_address(value)
    if address is None:
        return
    if not _is_plain(value) or _is_mapped(address):
        better = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        yield (
            f'{path}: non-standard IP address "{value}" will be considered invalid in a future Kubernetes release: '
            f'use "{better or address}"'
        )
    elif address.version == 6 and str(address) != value:
        yield f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{address}")'


def cidr_warnings(path: str, value: str) -> Iterator[str]:
    parsed = _parse_range(value)
    if parsed is None:
        return
    address, length = parsed
    network = _network(address, length)
    odd = False
    if address != network.network_address:
        odd = True
        single = f"{address}/{address.max_prefixlen}"
        yield f'{path}: CIDR value "{value}" is ambiguous in this context (should be "{network}" or "{single}"?)'
    host, _, digits = value.rpartition("/")
    if not _is_plain(host) or digits != str(length) or _is_mapped(address):
        odd = True
        yield (
            f'{path}: non-standard CIDR value "{value}" will be considered invalid in a future Kubernetes release: '
            f'use "{network}"'
        )
    if not odd and address.version == 6 and str(network) != value:
        yield f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{network}")'
