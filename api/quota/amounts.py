"""Arithmetic on resource lists: mappings from a resource's name to a Quantity.

Source: apiserver pkg/quota/v1/resources.go, component-helpers resource/helpers.go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from machinery.quantity import Quantity, of_units, parse

Amounts = dict[str, Quantity]
ONE = of_units(1)
NONE = Quantity(0)


def read(wire: Mapping[str, Any] | None) -> Amounts:
    return {name: parse(amount) for name, amount in (wire or {}).items()}


def written(amounts: Mapping[str, Quantity]) -> dict[str, str]:
    return {name: str(amounts[name]) for name in sorted(amounts)}


def add(total: Amounts, more: Mapping[str, Quantity]) -> None:
    """Adds to `total` in place."""
    for name, amount in more.items():
        standing = total.get(name)
        total[name] = amount if standing is None else standing + amount


def raise_to(total: Amounts, other: Mapping[str, Quantity]) -> None:
    """Makes every amount of `total` at least the other's, in place."""
    for name, amount in other.items():
        standing = total.get(name)
        if standing is None or standing < amount:
            total[name] = amount


def minus(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    out = {name: amount - right.get(name, NONE) for name, amount in left.items()}
    out.update({name: -amount for name, amount in right.items() if name not in left})
    return out


def masked(amounts: Mapping[str, Quantity], names: Collection[str]) -> Amounts:
    return {name: amount for name, amount in amounts.items() if name in names}


def pretty(amounts: Mapping[str, Quantity]) -> str:
    """`cpu=1,memory=1Gi`."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))
