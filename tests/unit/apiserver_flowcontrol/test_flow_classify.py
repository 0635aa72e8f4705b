"""Which schema a request belongs to, what width it has, and how seats are shared out, by table."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from apiserver.auth.user import ANONYMOUS, User
from apiserver.engine.query import parse_query
from apiserver.flowcontrol.bootstrap import AUTOUPDATE, flow_schemas, priority_levels
from apiserver.flowcontrol.classify import Classifier, compile_schema
from apiserver.flowcontrol.level import Level
from apiserver.flowcontrol.limits import Demand, Limits, plan_current, plan_limits
from apiserver.flowcontrol.seats import ONE, Width, estimate, most_seats
from apiserver.flowcontrol.upkeep import plan_dangling, plan_upkeep
from apiserver.http.request_info import parse_request

AUTH = "system:authenticated"
NODE = User("system:node:n1", ("system:nodes", AUTH))
MANAGER = User("system:kube-controller-manager", (AUTH,))
SYSTEM_ACCOUNT = User(
    "system:serviceaccount:kube-system:dns",
    ("system:serviceaccounts", "system:serviceaccounts:kube-system", AUTH),
)
ACCOUNT = User("system:serviceaccount:shop:web", ("system:serviceaccounts", AUTH))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x"


@pytest.mark.parametrize(
    ("user", "method", "path", "schema", "flow"),
    [
        (User("admin", ("system:masters", AUTH)), "GET", "/api/v1/pods", "exempt", ""),
        (ANONYMOUS, "GET", "/healthz", "probes", ""),
        (ANONYMOUS, "GET", "/version", "global-default", "system:anonymous"),
        (NODE, "PATCH", "/api/v1/nodes/n1/status", "system-node-high", NODE.name),
        (NODE, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", "system-node-high", NODE.name),
        (NODE, "GET", "/api/v1/namespaces/a/pods/p", "system-nodes", NODE.name),
        (MANAGER, "PUT", LEASE, "system-leader-election", MANAGER.name),
        (MANAGER, "DELETE", LEASE, "kube-controller-manager", "kube-system"),
        (MANAGER, "PUT", "/api/v1/namespaces/a/endpoints/e", "endpoint-controller", MANAGER.name),
        (User("system:kube-scheduler", (AUTH,)), "GET", "/api/v1/namespaces/a/pods", "kube-scheduler", "a"),
        (SYSTEM_ACCOUNT, "PUT", LEASE, "system-leader-election", SYSTEM_ACCOUNT.name),
        (SYSTEM_ACCOUNT, "GET", "/api/v1/namespaces/b/pods", "kube-system-service-accounts", "b"),
        (ACCOUNT, "GET", "/api/v1/namespaces/b/pods", "service-accounts", ACCOUNT.name),
        (User("jane", (AUTH,)), "GET", "/api/v1/nodes", "global-default", "jane"),
    ],
)  # fmt: skip
def test_caller_belongs_to_the_first_schema_that_matches(
    user: User, method: str, path: str, schema: str, flow: str
) -> None:
    classifier = Classifier(compile_schema(obj) for obj in flow_schemas())
    info = parse_request(method, path, parse_query(b""))
    for _ in range(2):  # the second time from what is kept of the caller
        found = classifier.find(user, info)
        assert found is not None and (found.name, found.flow_of(user, info)) == (schema, flow)


def test_rule_of_one_namespace_and_subresource_matches_nothing_else() -> None:
    rule = {
        "subjects": [{"kind": "User", "user": {"name": "jane"}}],
        "resourceRules": [
            {"verbs": ["create"], "apiGroups": [""], "resources": ["pods/exec"], "namespaces": ["a"]}
        ],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/metrics/*"]}],
    }
    spec = {"priorityLevelConfiguration": {"name": "x"}, "matchingPrecedence": 7, "rules": [rule]}
    classifier = Classifier([compile_schema({"metadata": {"name": "one"}, "spec": spec})])
    jane = User("jane")

    def matches(method: str, path: str, user: User = jane) -> bool:
        return classifier.find(user, parse_request(method, path, parse_query(b""))) is not None

    assert matches("POST", "/api/v1/namespaces/a/pods/p/exec")
    assert not matches("POST", "/api/v1/namespaces/b/pods/p/exec")
    assert not matches("POST", "/api/v1/namespaces/a/pods")
    assert matches("GET", "/metrics/slis") and not matches("GET", "/metrics")
    assert not matches("GET", "/metrics/slis", User("joe"))


@dataclass
class Sizes:
    count: int = 0
    watches: int = 0

    def objects(self, info: object) -> int:
        return self.count

    def watchers(self, info: object) -> int:
        return self.watches


@pytest.mark.parametrize(
    ("method", "url", "sizes", "width"),
    [
        ("GET", "/api/v1/namespaces/a/pods/p?", Sizes(9000, 500), ONE),
        ("GET", "/api/v1/pods?", Sizes(90), ONE),
        ("GET", "/api/v1/pods?", Sizes(301), Width(4)),
        ("GET", "/api/v1/pods?", Sizes(90000), Width(10)),
        ("GET", "/api/v1/pods?limit=200", Sizes(90000), Width(2)),
        ("GET", "/api/v1/pods?limit=200&labelSelector=a", Sizes(90000), Width(10)),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp", Sizes(90000), ONE),
        ("GET", "/api/v1/pods?watch=1", Sizes(90000), ONE),
        ("GET", "/api/v1/pods?watch=1&sendInitialEvents=true", Sizes(500), Width(5)),
        ("POST", "/api/v1/namespaces/a/pods?", Sizes(0, 9), ONE),
        ("POST", "/api/v1/namespaces/a/pods?", Sizes(0, 25), Width(1, 3, 0.005)),
        ("POST", "/api/v1/namespaces/a/pods?", Sizes(0, 1000), Width(1, 10, 0.05)),
        ("POST", "/api/v1/namespaces/a/serviceaccounts/x/token?", Sizes(0, 1000), ONE),
    ],
)
def test_width_follows_the_work(method: str, url: str, sizes: Sizes, width: Width) -> None:
    path, _, query = url.partition("?")
    parsed = parse_query(query.encode())
    assert estimate(parse_request(method, path, parsed), parsed, sizes, 10) == width


def test_no_request_takes_more_than_its_share_of_a_small_level() -> None:
    assert [most_seats(nominal) for nominal in (1, 10, 49, 1000)] == [1, 2, 8, 10]


def specs() -> dict[str, dict[str, object]]:
    return {obj["metadata"]["name"]: obj["spec"] for obj in priority_levels()}


def test_built_in_levels_get_the_seats_that_a_kube_apiserver_gives_them() -> None:
    limits = plan_limits(specs(), 600)
    nominal = {name: each.nominal for name, each in limits.items()}
    assert nominal == {
        "exempt": 0,
        "catch-all": 13,
        "system": 74,
        "node-high": 98,
        "leader-election": 25,
        "workload-high": 98,
        "workload-low": 245,
        "global-default": 49,
    }
    assert (limits["workload-low"].lower, limits["workload-low"].upper) == (25, 845)


def test_busy_level_borrows_what_idle_ones_lend_and_no_more() -> None:
    limits = plan_limits(specs(), 600)
    current = plan_current(limits, {"global-default": 500.0}, 600)
    assert current["global-default"] > 200
    assert all(current[name] >= each.lower for name, each in limits.items())
    assert sum(current.values()) <= 600 + len(current)
    idle = plan_current(limits, {}, 600)
    assert all(idle[name] <= each.upper for name, each in limits.items())


def test_demand_remembers_a_peak_and_forgets_it_slowly() -> None:
    demand = Demand()
    demand.note(100, 0.0)
    demand.note(0, 5.0)
    first = demand.take(10.0)
    assert 90 < first <= 100
    assert demand.take(20.0) == 0.0  # nothing was asked for since
    demand.note(10, 20.0)
    assert demand.take(30.0) == 10.0


def stored(name: str, generation: int = 1, **annotations: str) -> dict[str, object]:
    obj = next(each for each in priority_levels() if each["metadata"]["name"] == name)
    metadata = {"name": name, "generation": generation, "resourceVersion": "5"}
    if annotations:
        metadata["annotations"] = {AUTOUPDATE: annotations["auto"]}
    spec = {**obj["spec"]}
    part = "exempt" if name == "exempt" else "limited"
    spec[part] = {**spec[part], "nominalConcurrencyShares": 77}
    return {"metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("there", "annotation", "shares"),
    [
        (stored("system", 1), "true", 30),
        (stored("system", 2), "false", 77),
        (stored("system", 2, auto="true"), "true", 30),
        (stored("system", 1, auto="false"), "false", 77),
        (stored("catch-all", 3, auto="false"), "true", 5),
        (stored("exempt", 3, auto="false"), "false", 77),
        (stored("exempt", 3, auto="true"), "true", 0),
    ],
)
def test_changed_object_is_mended_or_left_as_its_annotation_says(
    there: dict[str, dict[str, object]], annotation: str, shares: int
) -> None:
    name = str(there["metadata"]["name"])
    missing, changed = plan_upkeep({name: there}, priority_levels())
    assert name not in [each["metadata"]["name"] for each in missing] and len(missing) == 7
    standing = {each["metadata"]["name"]: each for each in changed}.get(name, there)
    part = "exempt" if name == "exempt" else "limited"
    assert standing["metadata"]["annotations"][AUTOUPDATE] == annotation
    assert standing["spec"][part]["nominalConcurrencyShares"] == shares
    assert plan_upkeep({name: standing}, [])[1] == []


def test_schema_without_its_level_dangles_until_the_level_comes() -> None:
    schema = {"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "gold"}}}
    told = plan_dangling(schema, [], 0.0)
    assert told is not None
    condition = told["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Dangling", "True", "NotFound")
    assert plan_dangling(told, [], 60.0) is None
    again = plan_dangling(told, ["gold"], 60.0)
    assert again is not None and again["status"]["conditions"][0]["status"] == "False"
    assert again["status"]["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:01:00Z"


def test_hand_of_a_long_flow_is_dealt_alike_and_not_kept() -> None:
    level = Level("workload-low")
    level.configure(
        next(each for each in priority_levels() if each["metadata"]["name"] == "workload-low"),
        Limits(10, 0, 10),
    )
    schema = compile_schema(flow_schemas()[0])
    long = "n" * 300
    assert level.hand(schema, long) == level.hand(schema, long) and not level._hands
    assert level.hand(schema, "n") == level.hand(schema, "n") and len(level._hands) == 1
