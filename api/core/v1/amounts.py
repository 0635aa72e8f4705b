"""Amounts of resources as they are kept: in thousandths at the finest, rounded up."""

from __future__ import annotations

from typing import Any

from machinery import quantity

Obj = dict[str, Any]

_MILLI = 10**6  # in billionths


def round_up(amounts: Obj | None) -> None:
    """Amounts by resource, changed in place."""
    if not amounts:
        return
    for name, text in amounts.items():
        amount = quantity.parse(text)
        if amount.nano % _MILLI:
            amounts[name] = str(quantity.Quantity(amount.milli_value() * _MILLI, amount.notation))


def round_up_in(holder: Obj | None, *fields: str) -> None:
    """The same for amounts that are fields of something that may be absent."""
    for field in fields:
        round_up((holder or {}).get(field))
