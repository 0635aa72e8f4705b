"""Priority levels: how many requests are served at the same time, and how the others wait.

Source: Kubernetes "API Priority and Fairness".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery.errors import Cause

Obj = dict[str, Any]

_MAX_QUEUES, _HASH_BITS = 10_000_000, 60
# What this one says is fixed: requests that nothing else is about end up in it.
_CATCH_ALL_LEVEL: Obj = {
    "type": "Limited",
    "limited": {
        "nominalConcurrencyShares": 5,
        "lendablePercent": 0,
        "limitResponse": {"type": "Reject"},
    },
}


def default_priority_level(spec: Obj) -> None:
    if spec.get("type") == "Exempt":
        exempt = spec.setdefault("exempt", {})
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is None:
        return
    limited.setdefault("nominalConcurrencyShares", 30)
    limited.setdefault("lendablePercent", 0)
    queuing = (limited.get("limitResponse") or {}).get("queuing")
    if queuing is not None:
        for field, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
            if not queuing.get(field):
                queuing[field] = value


def validate_priority_level(level: Obj) -> Sequence[Cause]:
    errors = Errors()
    name, spec = level["metadata"].get("name", ""), level.get("spec") or {}
    kind, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
    if (name == "exempt") != (kind == "Exempt"):
        errors.invalid("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'")
    if kind == "Exempt":
        if limited is not None:
            errors.forbidden("spec.limited", "must be nil if the type is not Limited")
        if exempt is None:
            errors.required("spec.exempt", "must not be empty when type is Exempt")
        else:
            _validate_shares(errors, exempt, "spec.exempt")
    elif kind == "Limited":
        if exempt is not None:
            errors.forbidden("spec.exempt", "must be nil if the type is Limited")
        if limited is None:
            errors.required("spec.limited", "must not be empty when type is Limited")
        else:
            _validate_limited(errors, limited, "spec.limited")
    else:
        errors.not_supported("spec.type", kind, ("Exempt", "Limited"))
    if name == "catch-all" and spec != _CATCH_ALL_LEVEL:
        errors.invalid("spec", spec, "spec of 'catch-all' must equal the fixed value")
    return errors.causes


def _validate_shares(errors: Errors, part: Obj, path: str) -> None:
    _validate_number_of_shares(errors, part, path)
    _validate_lent(errors, part, path)


def _validate_number_of_shares(errors: Errors, part: Obj, path: str) -> None:
    shares = part.get("nominalConcurrencyShares", 0)
    if shares < 0:
        errors.invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")


def _validate_lent(errors: Errors, part: Obj, path: str) -> None:
    lent = part.get("lendablePercent", 0)
    if not 0 <= lent <= 100:
        errors.invalid(f"{path}.lendablePercent", lent, "must be between 0 and 100, inclusive")


def _validate_limited(errors: Errors, limited: Obj, path: str) -> None:
    _validate_number_of_shares(errors, limited, path)
    _validate_response(errors, limited.get("limitResponse") or {}, f"{path}.limitResponse")
    _validate_lent(errors, limited, path)
    borrowed = limited.get("borrowingLimitPercent")
    if borrowed is not None and borrowed < 0:
        message = "if specified, must be a non-negative integer"
        errors.invalid(f"{path}.borrowingLimitPercent", borrowed, message)


def _validate_response(errors: Errors, response: Obj, path: str) -> None:
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Reject":
        if queuing is not None:
            errors.forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif kind != "Queue":
        errors.not_supported(f"{path}.type", kind, ("Queue", "Reject"))
    elif queuing is None:
        errors.required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
    else:
        _validate_queuing(errors, queuing, f"{path}.queuing")


def _validate_queuing(errors: Errors, queuing: Obj, path: str) -> None:
    queues, hand = queuing.get("queues", 0), queuing.get("handSize", 0)
    length = queuing.get("queueLengthLimit", 0)
    if length <= 0:
        errors.invalid(f"{path}.queueLengthLimit", length, "must be positive")
    if queues <= 0:
        errors.invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _MAX_QUEUES:
        errors.invalid(f"{path}.queues", queues, f"must not be greater than {_MAX_QUEUES}")
    if hand <= 0:
        errors.invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        errors.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > _HASH_BITS:
        message = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_HASH_BITS}"
        errors.invalid(f"{path}.handSize", hand, message)
