"""RBAC: bindings, scopes, wildcards, aggregation, and the built-in policy."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.auth import bootstrap_policy
from apiserver.auth.bootstrap import ensure_policy, plan_mend
from apiserver.auth.escalation import EscalationCheck
from apiserver.auth.rules import compile_rules, uncovered
from apiserver.auth.serviceaccounts import service_account_user
from apiserver.auth.user import ANONYMOUS, Attributes, User
from machinery.errors import Forbidden, NotFound

GROUP = "rbac.authorization.k8s.io"
JANE = User("jane", ("dev", "system:authenticated"))


def role(name: str, *rules: dict[str, list[str]], namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"metadata": metadata, "rules": list(rules), **more}


def binding(
    name: str, ref: str, *subjects: dict[str, str], namespace: str = "", kind: str = "ClusterRole"
) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "subjects": list(subjects), "roleRef": {"kind": kind, "name": ref}}


def pods(verbs: str, **more: Any) -> dict[str, Any]:
    return {"verbs": verbs.split(), "apiGroups": [""], "resources": ["pods"], **more}


USER_JANE = {"kind": "User", "name": "jane"}


@pytest.mark.parametrize(
    ("rule", "asked", "allowed"),
    [
        (pods("get"), ("get", "", "pods", ""), True),
        (pods("get"), ("list", "", "pods", ""), False),
        (pods("get"), ("get", "apps", "pods", ""), False),
        (pods("get"), ("get", "", "pods", "log"), False),
        (pods("*"), ("delete", "", "pods", ""), True),
        (pods("get", resources=["pods/log"]), ("get", "", "pods", "log"), True),
        (pods("get", resources=["pods/log"]), ("get", "", "pods", ""), False),
        (pods("get", resources=["*/log"]), ("get", "", "pods", "log"), True),
        (pods("get", resources=["*/log"]), ("get", "", "pods", "exec"), False),
        (pods("get", resources=["*"]), ("get", "", "pods", "exec"), True),
        (pods("get", apiGroups=["*"]), ("get", "apps", "pods", ""), True),
    ],
)
def test_rule_allows_exactly_what_it_says(rule: Any, asked: tuple[str, str, str, str], allowed: bool) -> None:
    assert compile_rules([rule])[0].allows_resource(*asked) is allowed


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ([pods("*")], [pods("get list")], 0),
        ([pods("get"), pods("list")], [pods("get list")], 0),
        ([pods("get")], [pods("get list")], 1),
        ([pods("get", resourceNames=["a"])], [pods("get")], 1),
        ([pods("get", resourceNames=["a"])], [pods("get", resourceNames=["a"])], 0),
        ([pods("get", resourceNames=["a"])], [pods("get", resourceNames=["a", "b"])], 1),
        ([pods("get")], [pods("get", resourceNames=["a"])], 0),
        ([pods("get", resources=["*"])], [pods("get", resources=["pods/log"])], 0),
        ([pods("get", resources=["*/log"])], [pods("get", resources=["pods/log"])], 0),
        ([pods("get", resources=["pods"])], [pods("get", resources=["*"])], 1),
        (
            [{"verbs": ["get"], "nonResourceURLs": ["/a*"]}],
            [{"verbs": ["get"], "nonResourceURLs": ["/a/b"]}],
            0,
        ),
        ([{"verbs": ["get"], "nonResourceURLs": ["/a"]}], [{"verbs": ["get"], "nonResourceURLs": ["*"]}], 1),
    ],
)
def test_uncovered_names_what_is_not_held(held: Any, wanted: Any, missing: int) -> None:
    assert len(uncovered(held, wanted)) == missing


def test_binding_grants_within_its_scope_and_ends_with_it(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        await c.put("cluster_roles", role("reader", pods("get list")))
        assert not c.may(JANE, "get", "pods", namespace="a")
        await c.put("role_bindings", binding("r", "reader", USER_JANE, namespace="a"))
        assert c.may(JANE, "get", "pods", namespace="a")
        assert not c.may(JANE, "get", "pods", namespace="b") and not c.may(JANE, "list", "pods")
        assert not c.may(JANE, "delete", "pods", namespace="a")
        await c.put("cluster_role_bindings", binding("r", "reader", {"kind": "Group", "name": "dev"}))
        assert c.may(JANE, "get", "pods", namespace="b") and c.may(JANE, "list", "pods")
        await c.drop("cluster_role_bindings", "", "r")
        assert not c.may(JANE, "list", "pods") and c.may(JANE, "get", "pods", namespace="a")
        await c.drop("cluster_roles", "", "reader")
        denied = c.security.authorizer.authorize(Attributes(JANE, "get", resource="pods", namespace="a"))
        assert not denied.allowed
        assert denied.reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "reader" not found'

    with_cluster(body)


def test_named_rule_allows_only_its_names(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        await c.put("roles", role("one", pods("get", resourceNames=["x"]), namespace="a"))
        await c.put("role_bindings", binding("b", "one", USER_JANE, namespace="a", kind="Role"))
        assert c.may(JANE, "get", "pods", namespace="a", name="x")
        assert not c.may(JANE, "get", "pods", namespace="a", name="y")
        assert not c.may(JANE, "get", "pods", namespace="a")

    with_cluster(body)


def test_service_account_subject_means_its_user(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        await c.put("cluster_roles", role("reader", pods("get")))
        subject = {"kind": "ServiceAccount", "name": "bot", "namespace": "x"}
        await c.put("role_bindings", binding("b", "reader", subject, namespace="a"))
        assert c.may(service_account_user("x", "bot"), "get", "pods", namespace="a")
        assert not c.may(service_account_user("a", "bot"), "get", "pods", namespace="a")

    with_cluster(body)


def test_aggregated_role_grants_what_matching_roles_grant_at_once(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        selector = {"clusterRoleSelectors": [{"matchLabels": {"to": "big"}}]}
        await c.put("cluster_roles", role("big", aggregationRule=selector))
        await c.put("cluster_role_bindings", binding("b", "big", USER_JANE))
        assert not c.may(JANE, "get", "pods")
        await c.put("cluster_roles", role("part", pods("get"), metadata={"labels": {"to": "big"}}))
        assert c.may(JANE, "get", "pods")

    with_cluster(body)


def test_masters_may_everything_and_anonymous_only_sees_health(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        root = User("root", ("system:masters",))
        assert c.may(root, "delete", "nodes", name="x") and c.may(root, "get", "", path="/metrics")
        assert c.may(ANONYMOUS, "get", "", path="/healthz") and c.may(ANONYMOUS, "get", "", path="/version")
        assert not c.may(ANONYMOUS, "get", "", path="/metrics")
        assert not c.may(ANONYMOUS, "list", "pods")

    with_cluster(body, policy=True)


def test_default_policy_serves_its_subjects(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        scheduler = User("system:kube-scheduler", ("system:authenticated",))
        assert c.may(scheduler, "create", "pods", subresource="binding", namespace="a", name="p")
        assert c.may(scheduler, "watch", "nodes") and not c.may(scheduler, "get", "secrets", namespace="a")
        assert c.may(scheduler, "update", "leases", group="coordination.k8s.io", namespace="kube-system")
        manager = User("system:kube-controller-manager", ("system:authenticated",))
        for verb, group, resource in (
            ("create", "", "pods"),
            ("update", "apps", "replicasets"),
            ("patch", "", "nodes"),
            ("delete", "example.com", "widgets"),
            ("create", "", "serviceaccounts"),
            ("create", "discovery.k8s.io", "endpointslices"),
        ):
            assert c.may(manager, verb, resource, group=group, namespace="a"), resource
        assert c.may(JANE, "create", "selfsubjectaccessreviews", group="authorization.k8s.io")
        assert c.may(JANE, "get", "", path="/apis/apps/v1") and not c.may(JANE, "list", "pods", namespace="a")
        for name, can, cannot in (
            ("view", ("get", "pods"), ("get", "secrets")),
            ("edit", ("get", "secrets"), ("create", "roles")),
            ("admin", ("delete", "pods"), ("create", "namespaces")),
        ):
            user = User(name, ())
            await c.put("role_bindings", binding(name, name, {"kind": "User", "name": name}, namespace="a"))
            assert c.may(user, *can, namespace="a") and not c.may(user, *cannot, namespace="a")
        assert c.may(User("admin"), "create", "roles", group=GROUP, namespace="a")

    with_cluster(body, policy=True)


def test_policy_is_written_once_and_mended_without_losing_additions(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        assert await ensure_policy(c.stores, c.clock, c.rng) == 0
        view = next(r for r in bootstrap_policy.cluster_roles() if r["metadata"]["name"] == "view")
        own = pods("bark")
        there = {**view, "rules": [own, *view["rules"][1:]]}
        mended = plan_mend(there, view)
        assert mended is not None and mended["rules"] == [own, *view["rules"][1:], view["rules"][0]]
        there["metadata"] = {
            **view["metadata"],
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"},
        }
        assert plan_mend(there, view) is None

    with_cluster(body, policy=True)


def test_nobody_gives_away_more_than_they_have(with_cluster: Any) -> None:
    async def body(c: Any) -> None:
        check = EscalationCheck(c.security.rbac, c.security.authorizer)
        await c.put("cluster_roles", role("reader", pods("get list")))
        await c.put("cluster_roles", role("killer", pods("delete")))
        await c.put("role_bindings", binding("r", "reader", USER_JANE, namespace="a"))
        await check.check_role(JANE, "roles", "a", "x", role("x", pods("get")))
        with pytest.raises(
            Forbidden, match=r"(?s)not currently held:\n.*Resources:\[\"pods\"\], Verbs:\[\"delete\"\]"
        ):
            await check.check_role(JANE, "roles", "a", "x", role("x", pods("get delete")))
        with pytest.raises(Forbidden):
            await check.check_role(JANE, "clusterroles", "", "x", role("x", pods("get")))
        await check.check_binding(JANE, "rolebindings", "a", "b", binding("b", "reader", USER_JANE))
        with pytest.raises(Forbidden):
            await check.check_binding(JANE, "rolebindings", "a", "b", binding("b", "killer", USER_JANE))
        with pytest.raises(NotFound):
            await check.check_binding(JANE, "rolebindings", "a", "b", binding("b", "none", USER_JANE))
        bind = {
            "verbs": ["bind"],
            "apiGroups": [GROUP],
            "resources": ["clusterroles"],
            "resourceNames": ["killer"],
        }
        await c.put("cluster_roles", role("binder", bind))
        await c.put("cluster_role_bindings", binding("binder", "binder", USER_JANE))
        await check.check_binding(JANE, "rolebindings", "a", "b", binding("b", "killer", USER_JANE))
        await check.check_role(
            User("root", ("system:masters",)), "clusterroles", "", "x", role("x", pods("*"))
        )

    with_cluster(body)
