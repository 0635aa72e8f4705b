"""What is remembered to save work is never anybody's to change: an object that is spoiled after its write spoils no other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from apiserver.admission import collection, lookup
from apiserver.engine.engine import Call, WriteHook
from machinery.patch.apply import born
from tests.fakes.served import Served

Obj = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"


class Vandal(WriteHook):
    """Spoils every object in place once it is written; sets of fields, which are shared by design, excepted."""

    def __init__(self) -> None:
        self.spoiled = 0

    async def after_write(self, call: Call, obj: Obj, old: Obj | None) -> None:
        for each in (obj, old):
            if each is not None:
                spoil(each)
                self.spoiled += 1


def spoil(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in list(value.items()):
            if key != "fieldsV1":
                spoil(item)
                value[key] = "spoiled"
        value["spoiled"] = True
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoiled")


def pod(rng: random.Random, name: str) -> Obj:
    """One of a few families: most of what is remembered is met again."""
    container: Obj = {"name": "c", "image": rng.choice(["a:1", "b"]), "ports": [{"containerPort": 80}]}
    if rng.random() < 0.5:
        container["resources"] = {"limits": {"cpu": rng.choice(["1", "2"]), "memory": "1Gi"}}
    if rng.random() < 0.3:
        container["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    spec: Obj = {"containers": [container]}
    if rng.random() < 0.3:
        spec["tolerations"] = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    if rng.random() < 0.3:
        spec["volumes"] = [{"name": "v", "configMap": {"name": "x"}}, {"name": "w"}]
    if rng.random() < 0.3:
        spec["runtimeClassName"] = "sandboxed"
    return {"metadata": {"name": name, "labels": {"app": rng.choice("xy")}}, "spec": spec}


def prepare(served: Served) -> None:
    served.ok("PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": {
        "pod-security.kubernetes.io/warn": "restricted"}}}, content_type="application/merge-patch+json")  # fmt: skip
    served.ok("PATCH", "/api/v1/namespaces/default/serviceaccounts/default", {"imagePullSecrets": [{"name": "s"}]},
              content_type="application/merge-patch+json")  # fmt: skip
    served.ok("POST", "/apis/node.k8s.io/v1/runtimeclasses", {
        "metadata": {"name": "sandboxed"}, "handler": "h", "overhead": {"podFixed": {"cpu": "10m"}},
        "scheduling": {"nodeSelector": {"s": "y"}, "tolerations": [{"key": "s", "operator": "Exists"}]},
    })  # fmt: skip
    served.ok("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {
        "metadata": {"name": "usual"}, "value": 5, "globalDefault": True})  # fmt: skip
    served.ok("POST", "/api/v1/namespaces/default/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [
        {"type": "Container", "default": {"cpu": "3"}, "defaultRequest": {"cpu": "1"}}]}})  # fmt: skip


def write(served: Served, seed: int) -> list[tuple[int, bytes]]:
    """Creates, changes, applies and deletes pods of a few families; everything that was answered, and what then stands."""
    rng = random.Random(seed)
    told = []
    for step in range(25):
        name = f"p{rng.randrange(8)}"
        kind = rng.choice(["create", "create", "label", "apply", "delete", "status"])
        if kind == "create":
            got = served.send("POST", PODS, pod(rng, name))
        elif kind == "label":
            patch: Obj = {"metadata": {"labels": {"step": str(step % 3)}}}
            got = served.send(
                "PATCH", f"{PODS}/{name}", patch, content_type="application/strategic-merge-patch+json"
            )
        elif kind == "status":
            patch = {"status": {"phase": "Running"}}
            got = served.send(
                "PATCH", f"{PODS}/{name}/status", patch, content_type="application/merge-patch+json"
            )
        elif kind == "apply":
            body = {"apiVersion": "v1", "kind": "Pod", **pod(rng, name)}
            got = served.send("PATCH", f"{PODS}/{name}", body, [("fieldManager", "m"), ("force", "true")],
                              content_type="application/apply-patch+yaml")  # fmt: skip
        else:
            got = served.send("DELETE", f"{PODS}/{name}", query=[("gracePeriodSeconds", "0")])
        told.append((got.status, got.body))
    told.append((0, served.send("GET", PODS).body))
    return told


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Served, Served]]:
    both = Served(), Served()
    for each in both:
        prepare(each)
    yield both
    for each in both:
        each.close()


@pytest.mark.parametrize("seed", range(6))
def test_an_object_that_is_spoiled_once_it_is_written_changes_no_other(
    servers: tuple[Served, Served], seed: int
) -> None:
    honest, spoiled = servers
    vandal = Vandal()
    spoiled.server.engine.hooks = {**spoiled.server.engine.hooks, ("", "pods"): vandal}
    told = write(honest, seed)
    assert write(spoiled, seed) == told
    assert {201, 200} <= {status for status, _ in told}
    assert vandal.spoiled > 5


def test_sets_of_fields_that_are_shared_are_as_they_were_made(servers: tuple[Served, Served]) -> None:
    write(servers[0], 99)
    assert born._known
    for (_, key, text), (schema, fields) in born._known.items():
        made = born._added(key, orjson.loads(text), schema)
        assert orjson.dumps(made) == orjson.dumps(fields)


class Frozen(dict[str, Any]):
    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("what admission looks up is shared")

    __setitem__ = __delitem__ = setdefault = pop = popitem = update = clear = __ior__ = _refuse


class FrozenList(list[Any]):
    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("what admission looks up is shared")

    __setitem__ = __delitem__ = append = extend = insert = pop = remove = clear = sort = __iadd__ = _refuse


def frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return Frozen({key: frozen(item) for key, item in value.items()})
    return FrozenList(map(frozen, value)) if isinstance(value, list) else value


class FrozenJson:
    @staticmethod
    def loads(data: bytes) -> Any:
        return frozen(orjson.loads(data))


def test_admission_changes_nothing_that_it_looks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "orjson", FrozenJson)
    monkeypatch.setattr(collection, "orjson", FrozenJson)
    served = Served()
    try:
        prepare(served)
        statuses = [status for status, _ in write(served, 3)]
        served.ok("POST", "/apis/storage.k8s.io/v1/storageclasses", {
            "metadata": {"name": "c", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "p"})  # fmt: skip
        served.ok("POST", "/api/v1/namespaces/default/persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})  # fmt: skip
        served.ok("POST", "/apis/networking.k8s.io/v1/ingressclasses", {
            "metadata": {"name": "i", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "a.b/c"}})  # fmt: skip
        served.ok("POST", "/apis/networking.k8s.io/v1/namespaces/default/ingresses", {"metadata": {"name": "i"}, "spec": {
            "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}})  # fmt: skip
    finally:
        served.close()
    assert 500 not in statuses and 201 in statuses
