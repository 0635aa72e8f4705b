"""Every served kind gets objects of its own schema full of odd values, through every verb: refused or taken, never a 5xx.

The lean relative of `make fuzz`, in this process.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import odd
from served import Got, Served

from api import registry
from api.resource import Resource

RESOURCES = {f"{r.kind}.{r.gvr.version}.{r.gvr.group}": r for r in registry.load()}
PATCHES = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


def collection(resource: Resource) -> str:
    gvr = resource.gvr
    root = f"/apis/{gvr.group}/{gvr.version}" if gvr.group else f"/api/{gvr.version}"
    return f"{root}/namespaces/default/{gvr.resource}" if resource.namespaced else f"{root}/{gvr.resource}"


def plain(body: dict[str, Any], resource: Resource, rng: random.Random) -> dict[str, Any]:
    """Enough of it right to get past the first check, mostly."""
    body["apiVersion"], body["kind"] = resource.gvr.api_version, resource.kind
    if rng.random() < 0.9:
        meta = body.get("metadata") if isinstance(body.get("metadata"), dict) and rng.random() < 0.3 else {}
        body["metadata"] = {**(meta or {}), "name": "odd"}
        for key in ("resourceVersion", "uid", "namespace", "deletionTimestamp", "managedFields"):
            body["metadata"].pop(key, None)
    return body


def check(got: Got, *what: Any) -> Got:
    assert got.status < 500, (what, got.status, got.body[:1000])
    assert got.cpu_s < 8, what
    return got


def one_attempt(served: Served, resource: Resource, seed: int) -> None:
    """One odd object and one odd change through every verb, as dry runs: nothing of it judges later requests."""
    rng, schema, path = random.Random(seed), resource.schema(), collection(resource)
    dry, wrong = [("dryRun", "All")], rng.choice((0.0, 0.03, 0.2))
    body = plain(odd(schema, rng, wrong=wrong), resource, rng)
    made = check(served.send("POST", path, body, dry), "POST", path, body)
    if made.status == 201 and "get" in resource.verbs:
        for accept in ("application/json;as=Table;g=meta.k8s.io;v=v1", "application/yaml"):
            check(served.send("POST", path, body, dry, headers={"accept": accept}), accept, path, body)
    found = served.send("GET", path).json.get("items") if "list" in resource.verbs else None
    target = f"{path}/{found[0]['metadata']['name']}" if found else f"{path}/odd"
    change = odd(schema, rng, wrong=wrong)
    for kind in PATCHES:
        sent = change
        if "apply" in kind:
            sent = {**change, "apiVersion": resource.gvr.api_version, "kind": resource.kind}
        query = [*dry, ("fieldManager", "m")]
        check(served.send("PATCH", target, sent, query, content_type=kind), kind, target, sent)
    check(served.send("PUT", target, body, dry), "PUT", target, body)
    for subresource in resource.subresources:
        if subresource not in ("log", "exec", "attach", "portforward", "proxy"):
            below = f"{target}/{subresource}"
            check(served.send("PUT", below, body, dry), below, body)
            check(served.send("PATCH", below, change, dry, content_type=PATCHES[0]), below, change)
            check(served.send("POST", below, body, dry), below, body)
    check(served.send("DELETE", target, change, dry), "DELETE", target, change)


@pytest.mark.parametrize("name", RESOURCES)
def test_odd_objects_are_taken_or_refused(served: Served, name: str) -> None:
    @settings(max_examples=2, deadline=None)
    @given(st.integers(0, 2**32))
    def attempt(seed: int) -> None:
        one_attempt(served, RESOURCES[name], seed)

    attempt()
