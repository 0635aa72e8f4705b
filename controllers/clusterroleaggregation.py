"""Writes into aggregated ClusterRoles the rules they take in, so that whoever reads one sees what it grants.

Owns     `rules` of ClusterRoles with an aggregationRule.
Woken by changes of ClusterRoles: any may be one that others take in.

Invariant: the rules of every selected ClusterRole, by selector and then by name, each once; what stood there by hand goes.
(The API server itself grants them at once, without waiting for this.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from controllers.framework import Context, Key, Watch, reconciler
from machinery.gvk import CLUSTERROLES, key_of
from machinery.selectors.labels import label_selector_of

Obj = dict[str, Any]


def plan_rules(role: Obj, roles: Sequence[Obj]) -> list[Obj] | None:
    """The rules `role` should have; None where it aggregates nothing."""
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
    if not selectors:
        return None
    planned: list[Obj] = []
    own = role["metadata"]["name"]
    for selector in selectors:
        requirement = label_selector_of(selector)
        for other in sorted(roles, key=lambda each: str(each["metadata"]["name"])):
            if other["metadata"]["name"] == own or not requirement.matches(
                other["metadata"].get("labels") or {}
            ):
                continue
            planned += [rule for rule in other.get("rules") or () if rule not in planned]
    return planned


def _to_aggregated(ctx: Context, changed: Obj) -> Iterable[Key]:
    return [key_of(role) for role in ctx.lister(CLUSTERROLES).list() if role.get("aggregationRule")]


@reconciler(
    CLUSTERROLES,
    name="clusterroleaggregation",
    watches=(Watch(CLUSTERROLES, _to_aggregated),),
    event_source="clusterrole-aggregation-controller",
)
async def reconcile(ctx: Context, key: Key) -> float | None:
    role = ctx.get(key)
    if role is None:
        return None
    rules = plan_rules(role, ctx.lister(CLUSTERROLES).list())
    if rules is not None and rules != (role.get("rules") or []):
        await ctx.client.update(CLUSTERROLES, {**role, "rules": rules})
    return None
