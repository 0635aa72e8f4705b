"""A schema like a Deployment's, built by hand, so that machinery is tested without any kind."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.schema import Schema

ALWAYS = frozenset({"metadata", "spec", "status", "template", "strategy", "containers"})


def obj(name: str = "", /, **fields: Schema) -> Schema:
    made = {key.rstrip("_"): value for key, value in fields.items()}
    return Schema("object", name=name, fields=made, always=ALWAYS & made.keys())


def s(kind: Any = "string", **kw: Any) -> Schema:
    return Schema(kind, **kw)


def list_of(items: Schema, *keys: str, **kw: Any) -> Schema:
    if keys:
        kw = {
            "list_type": "map",
            "list_map_keys": keys,
            "merge_key": keys[0],
            "patch_strategy": frozenset({"merge"}),
            **kw,
        }
    return Schema("list", items=items, **kw)


def map_of(values: Schema, **kw: Any) -> Schema:
    return Schema("map", values=values, **kw)


def make_deployment() -> Schema:
    metadata = obj(
        name=s(),
        namespace=s(),
        labels=map_of(s()),
        annotations=map_of(s()),
        finalizers=list_of(s(), list_type="set", patch_strategy=frozenset({"merge"})),
        ownerReferences=list_of(obj(uid=s(), name=s(), kind=s()), "uid"),
    )
    port = obj(
        name=s(),
        containerPort=s("integer"),
        protocol=s(default="TCP", has_default=True),
        hostPort=s("integer"),
    )
    container = obj(
        name=s(),
        image=s(),
        args=list_of(s()),
        command=list_of(s(), list_type="atomic"),
        env=list_of(obj(name=s(), value=s()), "name"),
        ports=list_of(port, "containerPort", "protocol"),
        resources=obj(limits=map_of(s()), requests=map_of(s())),
    )
    volume = obj(name=s(), emptyDir=obj(medium=s()), configMap=obj(name=s()))
    pod_spec = obj(
        containers=list_of(container, "name"),
        volumes=list_of(volume, "name", patch_strategy=frozenset({"merge", "retainKeys"})),
        nodeSelector=map_of(s(), map_type="atomic"),
        tolerations=list_of(obj(key=s(), operator=s()), list_type="atomic"),
        securityContext=obj(runAsUser=s("integer")),
    )
    rolling = obj(maxSurge=s("any", int_or_string=True), maxUnavailable=s("any", int_or_string=True))
    spec = obj(
        replicas=s("integer"),
        paused=s("boolean"),
        selector=obj(matchLabels=map_of(s())),
        strategy=Schema(
            "object",
            fields={"type": s(), "rollingUpdate": rolling},
            patch_strategy=frozenset({"retainKeys"}),
        ),
        template=obj(metadata=obj(labels=map_of(s())), spec=pod_spec),
        free=s("any", preserve_unknown=True),
    )
    condition = obj(type_=s(), status=s(), reason=s())
    status = obj(replicas=s("integer"), conditions=list_of(condition, "type"))
    return obj(
        "io.k8s.api.apps.v1.Deployment", apiVersion=s(), kind=s(), metadata=metadata, spec=spec, status=status
    )


@pytest.fixture(scope="session")
def deployment() -> Schema:
    return make_deployment()
