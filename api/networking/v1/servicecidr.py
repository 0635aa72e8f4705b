"""ServiceCIDR: a range that services get their addresses from."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin, status_of
from api.columns import AGE, NAME, field
from api.resource import Column
from api.strategy import ALL_METADATA, SpecStatusStrategy
from api.validation.addresses import parse_network, validate_canonical_cidr
from api.validation.errors import Errors
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_PATH = "spec.cidrs"
_PAIR = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


class ServiceCIDRStrategy(SpecStatusStrategy):
    has_generation = False
    status_keeps = ALL_METADATA

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        ranges: list[str] = field(obj, "spec", "cidrs") or []
        if not ranges:
            errors.required(_PATH, "at least one CIDR required")
        elif len(ranges) > 2:
            errors.invalid(_PATH, ranges, "may only hold up to 2 values")
        elif len(ranges) == 2 and not _are_a_pair(ranges):
            errors.invalid(_PATH, ranges, _PAIR)
        else:
            for index, text in enumerate(ranges):
                validate_canonical_cidr(errors, text, f"{_PATH}[{index}]")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        before, after = (field(each, "spec", "cidrs") or [] for each in (old, obj))
        if len(before) == 1 and len(after) == 2:  # a second family may join
            errors.immutable(f"{_PATH}[0]", after[0], before[0])
            errors.causes += self.validate(obj)
        elif after != before:
            errors.invalid(_PATH, after, "field is immutable")
        return errors.causes


def _are_a_pair(ranges: list[str]) -> bool:
    """Ranges, one of each family."""
    networks = [parse_network(text) for text in ranges]
    return {None if each is None else each.version for each in networks} == {4, 6}


SERVICECIDR = builtin(
    GVR("networking.k8s.io", "v1", "servicecidrs", namespaced=False, kind="ServiceCIDR"),
    "api.networking.v1.servicecidr_types:ServiceCIDR",
    strategy=ServiceCIDRStrategy(),
    columns=(
        NAME,
        Column(
            "CIDRs",
            lambda obj, now: ",".join(field(obj, "spec", "cidrs") or ()),
            description="The ranges.",
        ),
        AGE,
    ),
    subresources=(status_of("ServiceCIDR"),),
)
