"""Whatever a webhook makes of an object of whatever kind: it is taken or refused, never a 5xx, and it stays itself."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
from odd import odd
from open_guard import open_guard

from api import registry
from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.admission.matching import replace_object, show_whole
from machinery.errors import BadRequest
from machinery.objects import deep_copy
from machinery.patch import PatchError, json_patch

KINDS = registry.load()
NOT_SENT = ("resourceVersion", "uid", "namespace", "deletionTimestamp", "managedFields", "finalizers")
VALUES = (None, {}, [], "", "x", 0, -1, True, "2001-01-01T00:00:00Z", "\u0662")


def pointers(value: Any, at: str = "") -> Iterator[str]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        here = f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"
        yield here
        yield from pointers(inner, here)


class Garbler(Plugin):
    """Takes away or replaces up to three things, in the way of a webhook's patch."""

    name = "Garbler"

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.active = False

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE")

    async def admit(self, request: AdmissionRequest) -> bool:
        if not self.active or request.obj is None or self._rng.random() < 0.2:
            return False
        show_whole(request)
        made = deep_copy(request.obj)
        for _ in range(self._rng.randint(1, 3)):
            places = [each for each in pointers(made) if each not in ("/kind", "/apiVersion")]
            high = [each for each in places if each.count("/") <= 2]
            change: Obj = {"path": self._rng.choice(self._rng.choice((places, high)) or ["/metadata"])}
            change |= self._rng.choice(
                ({"op": "remove"}, {"op": "replace", "value": self._rng.choice(VALUES)})
            )
            try:
                made = json_patch.apply(made, [change])
            except PatchError:
                continue
        no_other_version: Any = None
        try:
            await replace_object(no_other_version, request, made, request.resource)
        except BadRequest:
            return False
        return True


def collection(resource: Resource) -> str:
    return resource.gvr.path("default" if resource.namespaced else "", "", "")


async def one_life(api: Any, resource: Resource, rng: random.Random, seen: Counter[int]) -> None:
    async def send(method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        query = {"fieldManager": "m", "force": "true"} if "apply" in kind else None
        answer = await api.send(method, path, body, content_type=kind, query=query)
        seen[answer.status] += 1
        assert answer.status < 500, (resource.kind, method, path, body, answer.body)
        return answer

    path, schema = collection(resource), resource.schema()
    body = {**odd(schema, rng, wrong=rng.choice((0.0, 0.05))), "metadata": {"name": "odd"}}
    body |= {"apiVersion": resource.gvr.api_version, "kind": resource.kind}
    if "create" in resource.verbs:
        await send("POST", path, body)
    if "list" not in resource.verbs:
        return
    for standing in orjson.loads((await send("GET", path)).body)["items"][:2]:
        name = standing["metadata"]["name"]
        for place in (f"{path}/{name}", f"{path}/{name}/status"):
            if place.endswith("/status") and "status" not in resource.subresources:
                continue
            other = {k: v for k, v in odd(schema, rng, wrong=0.02).items() if k in ("spec", "status", "data")}
            current = orjson.loads((await send("GET", f"{path}/{name}")).body)
            if "update" in resource.verbs:
                await send("PUT", place, {**current, **other})
            if "patch" in resource.verbs:
                await send("PATCH", place, other, "application/merge-patch+json")
                await send(
                    "PATCH", place, {**body, "metadata": {"name": name}}, "application/apply-patch+yaml"
                )
        kept = orjson.loads((await send("GET", f"{path}/{name}")).body)["metadata"]
        for key in ("name", "namespace", "uid", "creationTimestamp"):
            assert kept.get(key) == standing["metadata"].get(key), (resource.kind, key)


def test_whatever_admission_makes_of_an_object_is_taken_or_refused(run_api: Any) -> None:
    rng = random.Random(20)
    garbler = Garbler(rng)
    seen: Counter[int] = Counter()

    async def body(api: Any) -> None:
        garbler.active = True
        for resource in KINDS:
            await one_life(api, resource, rng, seen)

    run_api(body, guard=lambda engine: open_guard(engine, (garbler,)))
    assert min(seen[200], seen[201], seen[422]) > 2, seen
