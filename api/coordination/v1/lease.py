"""Lease: who holds something, and until when. Heartbeats of nodes and election of leaders."""

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from api.annotations import Int32, MicroTime, Proto
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import LEASES


class LeaseSpec(TypedDict, total=False):
    """Who holds the lease and until when."""

    holderIdentity: Annotated[str, Proto(1), "Who holds it."]
    leaseDurationSeconds: Annotated[
        Int32, Proto(2), "How long after renewTime others must wait before they take it."
    ]
    acquireTime: Annotated[MicroTime, Proto(3), "When it was taken."]
    renewTime: Annotated[MicroTime, Proto(4), "When it was last renewed."]
    leaseTransitions: Annotated[Int32, Proto(5), "How often it changed hands."]
    strategy: Annotated[str, Proto(6), "How the holder is chosen."]
    preferredHolder: Annotated[str, Proto(7), "Who should take it next."]


class Lease(TypedDict, total=False):
    """Says who holds something."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[LeaseSpec, Proto(2), "What is wanted."]


Obj = dict[str, Any]

_COORDINATED = ("strategy", "preferredHolder")
_STRATEGIES = ("OldestEmulationVersion",)


class LeaseStrategy(Strategy):
    has_generation = False
    allow_create_on_update = True
    allow_unconditional_update = False

    def prepare_create(self, obj: Obj) -> None:
        self.prepare_update(obj, {})

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        """Coordinated election is behind a gate that is off: what it needs is forgotten, unless it is there already."""
        spec, was = obj.get("spec") or {}, old.get("spec") or {}
        for key in _COORDINATED:
            if was.get(key) is None:
                spec.pop(key, None)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        spec = obj.get("spec") or {}
        errors.positive("spec.leaseDurationSeconds", spec.get("leaseDurationSeconds"))
        errors.non_negative("spec.leaseTransitions", spec.get("leaseTransitions"))
        strategy = spec.get("strategy")
        if strategy is not None:
            _validate_strategy(errors, strategy)
        if spec.get("preferredHolder") and not strategy:
            errors.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined")
        return errors.causes


def _validate_strategy(errors: Errors, strategy: str) -> None:
    path = "spec.strategy.strategy"  # so told by upstream
    if "/" in strategy:
        errors.invalid_each(path, strategy, names.qualified_name(strategy))
    elif strategy not in _STRATEGIES:
        errors.not_supported(path, strategy, _STRATEGIES)


LEASE = builtin(
    LEASES,
    Lease,
    strategy=LeaseStrategy(),
    columns=(
        NAME,
        Column(
            "Holder",
            lambda obj, now: (obj.get("spec") or {}).get("holderIdentity", ""),
            description="Who has it.",
        ),
        AGE,
    ),
)
