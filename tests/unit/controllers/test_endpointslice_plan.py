"""EndpointSlices: what an endpoint says, and how endpoints are packed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controllers.endpointslice import MAX_ENDPOINTS, Plan, plan

Obj = dict


def service(**spec: object) -> Obj:
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    meta = {"name": "shop", "namespace": "a", "uid": "svc", "labels": {"team": "x"}}
    return {"metadata": meta, "spec": {"selector": {"app": "shop"}, "ports": ports, **spec}}


def pod(
    name: str, *, ready: bool = True, deleting: bool = False, port: int = 8080, phase: str = "Running"
) -> Obj:
    meta: Obj = {"name": name, "namespace": "a", "uid": name}
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    ip = f"10.0.{int(name) // 256}.{int(name) % 256}"
    containers = [{"name": "c", "ports": [{"name": "web", "containerPort": port, "protocol": "TCP"}]}]
    return {
        "metadata": meta,
        "spec": {"nodeName": "n1", "containers": containers},
        "status": {"phase": phase, "conditions": conditions, "podIP": ip, "podIPs": [{"ip": ip}]},
    }


def applied(present: list[Obj], todo: Plan) -> list[Obj]:
    changed = {each["metadata"]["name"]: each for each in todo.update}
    gone = {each["metadata"]["name"] for each in todo.delete}
    kept = [changed.get(e["metadata"]["name"], e) for e in present if e["metadata"]["name"] not in gone]
    taken = max((int(e["metadata"]["name"]) for e in present), default=0)
    for number, each in enumerate(todo.create, taken + 1):
        kept.append({**each, "metadata": {**each["metadata"], "name": str(number), "uid": str(number)}})
    return kept


def conditions(todo: Plan) -> list[tuple[bool, bool, bool]]:
    return [
        (c["ready"], c["serving"], c["terminating"])
        for each in todo.create
        for c in (e["conditions"] for e in each["endpoints"])
    ]


def test_endpoint_names_its_pod_node_zone_and_port() -> None:
    (slice_,) = plan(service(), [pod("1")], {"n1": "z1"}, []).create
    assert slice_["addressType"] == "IPv4"
    assert slice_["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert slice_["endpoints"] == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "a", "name": "1", "uid": "1"},
            "nodeName": "n1",
            "zone": "z1",
        }
    ]
    assert slice_["metadata"]["labels"] == {
        "team": "x",
        "kubernetes.io/service-name": "shop",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }


def test_conditions_tell_ready_serving_terminating() -> None:
    pods = [pod("1"), pod("2", ready=False), pod("3", deleting=True), pod("4", ready=False, deleting=True)]
    assert conditions(plan(service(), pods, {}, [])) == [
        (True, True, False),
        (False, False, False),
        (False, True, True),
        (False, False, True),
    ]
    assert all(
        ready for ready, _, _ in conditions(plan(service(publishNotReadyAddresses=True), pods, {}, []))
    )


def test_ended_pods_and_pods_without_ip_are_no_endpoints() -> None:
    without_ip = pod("2")
    without_ip["status"] = {"phase": "Pending"}
    (slice_,) = plan(service(), [pod("1", phase="Succeeded"), without_ip], {}, []).create
    assert (slice_["endpoints"], slice_["ports"]) == ([], [])


def test_different_named_ports_lie_in_different_slices() -> None:
    todo = plan(service(), [pod("1", port=8080), pod("2", port=9090)], {}, [])
    assert [each["ports"][0]["port"] for each in todo.create] == [8080, 9090]


def test_headless_service_is_marked() -> None:
    (slice_,) = plan(service(clusterIP="None"), [pod("1")], {}, []).create
    assert slice_["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_change_of_one_pod_rewrites_one_slice() -> None:
    pods = [pod(str(i)) for i in range(1, 251)]
    present = applied([], plan(service(), pods, {}, []))
    assert sorted(len(each["endpoints"]) for each in present) == [50, 100, 100]
    pods[120] = pod("121", ready=False)
    todo = plan(service(), pods, {}, present)
    assert (len(todo.create), len(todo.update), len(todo.delete)) == (0, 1, 0)


def test_last_endpoint_gone_leaves_one_empty_slice() -> None:
    present = applied([], plan(service(), [pod("1")], {}, []))
    present = applied(present, plan(service(), [], {}, present))
    assert [(each["endpoints"], each["ports"]) for each in present] == [([], [])]
    assert plan(service(), [], {}, present) == Plan()


@given(histories=st.lists(st.sets(st.integers(1, 400), max_size=250), min_size=1, max_size=5))
def test_slices_hold_every_pod_once_and_never_too_many(histories: list[set[int]]) -> None:
    present: list[Obj] = []
    for wanted in histories:
        pods = [pod(str(i), port=8080 + i % 2) for i in sorted(wanted)]
        present = applied(present, plan(service(), pods, {}, present))
        held = [e["targetRef"]["uid"] for each in present for e in each["endpoints"]]
        assert sorted(held) == sorted(map(str, wanted))
        assert all(len(each["endpoints"]) <= MAX_ENDPOINTS for each in present)
        assert present
        assert plan(service(), pods, {}, present) == Plan()
