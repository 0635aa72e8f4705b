"""A node reads what its own pods need, writes what is its own, and nothing else."""

from __future__ import annotations

from typing import Any

from apiserver.auth.user import User

NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))
OTHER = User("system:node:n2", ("system:nodes", "system:authenticated"))


def pod(name: str, node: str = "", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, "namespace": "a", "annotations": annotations or {}}, "spec": spec}


EVERYTHING = {
    "serviceAccountName": "bot",
    "imagePullSecrets": [{"name": "s-pull"}],
    "initContainers": [
        {"name": "i", "envFrom": [{"secretRef": {"name": "s-from"}}, {"configMapRef": {"name": "c-from"}}]}
    ],
    "containers": [
        {
            "name": "c",
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s-env", "key": "k"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c-env", "key": "k"}}},
                {"name": "C", "value": "x"},
            ],
        }
    ],
    "volumes": [
        {"name": "1", "secret": {"secretName": "s-vol"}},
        {"name": "2", "configMap": {"name": "c-vol"}},
        {
            "name": "3",
            "projected": {"sources": [{"secret": {"name": "s-pro"}}, {"configMap": {"name": "c-pro"}}]},
        },
        {"name": "4", "persistentVolumeClaim": {"claimName": "v-1"}},
        {"name": "5", "emptyDir": {}},
    ],
}


def test_node_reads_exactly_what_its_pods_refer_to(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        def may(user: User, resource: str, name: str, verb: str = "get", **more: str) -> bool:
            allowed: bool = c.may(user, verb, resource, namespace="a", name=name, **more)
            return allowed

        await c.put("pods", pod("p", **EVERYTHING))
        assert not may(NODE, "secrets", "s-vol"), "not bound yet"
        await c.put("pods", pod("p", "n1", **EVERYTHING))
        for name in ("s-pull", "s-from", "s-env", "s-vol", "s-pro"):
            assert may(NODE, "secrets", name) and may(NODE, "secrets", name, "watch"), name
            assert not may(OTHER, "secrets", name) and not may(NODE, "secrets", name, "update")
        for name in ("c-from", "c-env", "c-vol", "c-pro"):
            assert may(NODE, "configmaps", name), name
        assert may(NODE, "persistentvolumeclaims", "v-1")
        assert not may(NODE, "secrets", "else") and not may(NODE, "secrets", "")
        assert may(NODE, "serviceaccounts", "bot", "create", subresource="token")
        assert not may(NODE, "serviceaccounts", "default", "create", subresource="token")
        await c.put("pods", pod("q", "n1", volumes=[{"name": "1", "secret": {"secretName": "s-vol"}}]))
        await c.drop("pods", "a", "p")
        assert may(NODE, "secrets", "s-vol") and not may(NODE, "secrets", "s-env")
        await c.drop("pods", "a", "q")
        assert not may(NODE, "secrets", "s-vol")

    with_cluster(body)


def test_mirror_pod_opens_nothing(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        await c.put("pods", pod("m", "n1", {"kubernetes.io/config.mirror": "h"}, **EVERYTHING))
        assert not c.may(NODE, "get", "secrets", namespace="a", name="s-vol")
        assert c.may(NODE, "patch", "pods", subresource="status", namespace="a", name="m")

    with_cluster(body)


def test_node_writes_only_what_is_its_own(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        await c.put("pods", pod("mine", "n1"))
        await c.put("pods", pod("theirs", "n2"))
        for verb, sub, yes in (
            ("patch", "status", True),
            ("delete", "", True),
            ("get", "", True),
            ("patch", "", False),
        ):
            assert c.may(NODE, verb, "pods", subresource=sub, namespace="a", name="mine") is yes
            assert not c.may(NODE, verb, "pods", subresource=sub, namespace="a", name="theirs")
        assert c.may(NODE, "patch", "nodes", subresource="status", name="n1")
        assert not c.may(NODE, "patch", "nodes", subresource="status", name="n2")
        assert c.may(NODE, "create", "nodes") and not c.may(NODE, "delete", "nodes", name="n1")
        lease = {"group": "coordination.k8s.io", "namespace": "kube-node-lease"}
        assert c.may(NODE, "update", "leases", name="n1", **lease)
        assert not c.may(NODE, "update", "leases", name="n2", **lease)
        assert not c.may(
            NODE, "get", "leases", group="coordination.k8s.io", namespace="kube-system", name="n1"
        )
        assert c.may(NODE, "watch", "pods") and c.may(NODE, "create", "events", namespace="a")
        assert not c.may(NODE, "create", "deployments", group="apps", namespace="a")
        assert not c.may(User("system:node:n1"), "patch", "nodes", subresource="status", name="n1"), (
            "no group"
        )

    with_cluster(body, policy=True)
