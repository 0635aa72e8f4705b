"""Tables and invariants of the pod plan: no loop, no clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent import labels
from nodeagent.podspec import container_hash
from nodeagent.state.actions import ProbeResults
from nodeagent.state.backoff import Backoff, after_restart, recovered, restart_at, spell
from nodeagent.state.container_status import Failure, Observed
from nodeagent.state.plan import plan_pod
from nodeagent.state.status import Verdict, pod_status
from nodeagent.state.status_patch import plan_status_patch
from nodeagent.state.termination import plan_stop, remaining_grace_s
from nodeagent.state.view import PodView, group_by_pod, pod_view
from runtime.cri import Container, ContainerConfig, ContainerState, Sandbox, SandboxConfig, SandboxState

NOW = 1_000_000.0
RUNNING, EXITED, CREATED, UNKNOWN = (
    ContainerState.RUNNING,
    ContainerState.EXITED,
    ContainerState.CREATED,
    ContainerState.UNKNOWN,
)


def spec(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", **more}


def pod(*containers: dict[str, Any], inits: Any = (), policy: str = "Always", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {
            "containers": list(containers) or [spec("main")],
            "initContainers": list(inits),
            "restartPolicy": policy,
            **more,
        },
    }


def box(attempt: int = 0, ready: bool = True, host: bool = False) -> Sandbox:
    from runtime.cri import Namespaces

    config = SandboxConfig("p", "ns", "u", attempt, "p", "/logs", namespaces=Namespaces(host_network=host))
    state = SandboxState.READY if ready else SandboxState.NOTREADY
    return Sandbox(f"box{attempt}", config, state, attempt + 1, ("10.0.0.1",))


def held(
    name: str,
    state: ContainerState = RUNNING,
    code: int = 0,
    attempt: int = 0,
    sandbox: int = 0,
    ended: float = NOW - 1,
) -> Container:
    config = ContainerConfig(
        name,
        attempt,
        "i",
        labels={labels.CONTAINER_NAME: name},
        annotations={labels.CONTAINER_HASH: container_hash(spec(name))},
    )
    return Container(
        f"{name}-{attempt}",
        f"box{sandbox}",
        config,
        state,
        "id",
        "ref",
        int((ended - 10) * 1e9),
        int((ended - 9) * 1e9),
        int(ended * 1e9) if state is EXITED else 0,
        code,
    )


def view(*containers: Container, boxes: Any = None) -> PodView:
    return pod_view("u", [box()] if boxes is None else boxes, containers)


def planned(
    a_pod: dict[str, Any], a_view: PodView, probes: ProbeResults | None = None, backoffs: Any = None
) -> str:
    """The plan as one readable line."""
    actions = plan_pod(a_pod, a_view, probes or ProbeResults(), backoffs or {}, NOW)
    words = []
    if actions.kill_pod:
        words.append("KILL")
    if actions.create_sandbox:
        words.append(f"sandbox{actions.sandbox_attempt}")
    words += [f"-{box_id}" for box_id in actions.stale_sandboxes]
    words += [f"kill:{kill.name}" for kill in actions.kill]
    words += [f"{start.name}#{start.attempt}" for start in actions.start]
    words += [f"wait:{wait.name}" for wait in actions.wait]
    return " ".join(words)


SIDECAR = spec("proxy", restartPolicy="Always")
A, B = spec("a"), spec("b")

TABLE: list[tuple[str, dict[str, Any], PodView, str]] = [
    ("nothing there", pod(), view(boxes=[]), "sandbox0 main#0"),
    ("two containers", pod(A, B), view(boxes=[]), "sandbox0 a#0 b#0"),
    ("all run", pod(A, B), view(held("a"), held("b")), ""),
    ("one missing", pod(A, B), view(held("a")), "b#0"),
    ("one ended, Always", pod(A, B), view(held("a"), held("b", EXITED)), "b#1"),
    ("one failed, OnFailure", pod(A, B, policy="OnFailure"), view(held("a"), held("b", EXITED, 1)), "b#1"),
    ("one succeeded, OnFailure", pod(A, B, policy="OnFailure"), view(held("a"), held("b", EXITED)), ""),
    ("one failed, Never", pod(A, B, policy="Never"), view(held("a"), held("b", EXITED, 1)), ""),
    ("all ended, Never", pod(policy="Never"), view(held("main", EXITED, 1)), "KILL"),
    ("all succeeded, OnFailure", pod(policy="OnFailure"), view(held("main", EXITED)), "KILL"),
    ("created only", pod(), view(held("main", CREATED)), "main#0"),
    ("unknown", pod(), view(held("main", UNKNOWN)), "kill:main main#1"),
    ("sandbox died", pod(), view(held("main", EXITED, 137), boxes=[box(ready=False)]), "sandbox1 main#1"),
    (
        "sandbox died, Never",
        pod(policy="Never"),
        view(held("main", EXITED, 137), boxes=[box(ready=False)]),
        "KILL",
    ),
    (
        "sandbox died, OnFailure and done",
        pod(policy="OnFailure"),
        view(held("main", EXITED), boxes=[box(ready=False)]),
        "KILL",
    ),
    (
        "sandbox died before anything ran",
        pod(policy="Never"),
        view(boxes=[box(ready=False)]),
        "sandbox1 main#0",
    ),
    ("two ready sandboxes", pod(), view(boxes=[box(0), box(1)]), "sandbox2 -box1 -box0 main#0"),
    ("host network changed", pod(hostNetwork=True), view(held("main")), "sandbox1 -box0 main#1"),
    ("inits first", pod(inits=[A, B]), view(boxes=[]), "sandbox0 a#0"),
    ("init runs", pod(inits=[A, B]), view(held("a")), ""),
    ("init passed", pod(inits=[A, B]), view(held("a", EXITED)), "b#0"),
    ("init failed, Always", pod(inits=[A, B]), view(held("a", EXITED, 1)), "a#1"),
    ("init failed, Never", pod(inits=[A, B], policy="Never"), view(held("a", EXITED, 1)), "KILL"),
    ("inits passed", pod(inits=[A, B]), view(held("a", EXITED), held("b", EXITED)), "main#0"),
    ("passed inits were removed", pod(inits=[A, B]), view(held("b", EXITED)), "main#0"),
    ("main runs, inits removed", pod(inits=[A, B]), view(held("main")), ""),
    (
        "new sandbox starts over",
        pod(inits=[A]),
        view(held("a", EXITED), held("main", EXITED, 137), boxes=[box(0, False), box(1)]),
        "a#1",
    ),
    ("sidecar first", pod(inits=[SIDECAR, B]), view(boxes=[]), "sandbox0 proxy#0"),
    ("sidecar runs", pod(inits=[SIDECAR, B]), view(held("proxy")), "b#0"),
    (
        "sidecar died during init",
        pod(inits=[SIDECAR, B]),
        view(held("proxy", EXITED, 1), held("b")),
        "proxy#1",
    ),
    (
        "sidecar died later",
        pod(inits=[SIDECAR]),
        view(held("proxy", EXITED, 1), held("main")),
        "proxy#1",
    ),
    (
        "sidecar alone does not keep a pod",
        pod(inits=[SIDECAR], policy="Never"),
        view(held("proxy"), held("main", EXITED)),
        "KILL",
    ),
    (
        "sidecar restarts in a Never pod",
        pod(inits=[SIDECAR], policy="Never"),
        view(held("proxy", EXITED, 1), held("main")),
        "proxy#1",
    ),
    (
        "sidecar waits for its startup probe",
        pod(inits=[{**SIDECAR, "startupProbe": {"exec": {"command": ["true"]}}}]),
        view(held("proxy")),
        "",
    ),
    (
        "ephemeral container starts while inits run",
        pod(inits=[A], ephemeralContainers=[spec("debug")]),
        view(held("a")),
        "debug#0",
    ),
    (
        "ephemeral container never restarts",
        pod(ephemeralContainers=[spec("debug")]),
        view(held("main"), held("debug", EXITED)),
        "",
    ),
    ("image changed", pod(spec("main", image="other")), view(held("main")), "kill:main main#1"),
]


@pytest.mark.parametrize(("name", "a_pod", "a_view", "wanted"), TABLE, ids=[row[0] for row in TABLE])
def test_plan_table(name: str, a_pod: Any, a_view: PodView, wanted: str) -> None:
    assert planned(a_pod, a_view) == wanted


def test_failed_probes_kill_and_restart() -> None:
    for probes in (ProbeResults(liveness={"main-0": False}), ProbeResults(startup={"main-0": False})):
        assert planned(pod(), view(held("main")), probes) == "kill:main main#1"
        assert planned(pod(policy="Never"), view(held("main")), probes) == "kill:main"
    message = (
        plan_pod(pod(), view(held("main")), ProbeResults(liveness={"main-0": False}), {}, NOW).kill[0].message
    )
    assert message == "Container main failed liveness probe, will be restarted"


def test_sidecar_startup_probe_opens_the_way() -> None:
    a_pod = pod(inits=[{**SIDECAR, "startupProbe": {"exec": {"command": ["true"]}}}])
    assert planned(a_pod, view(held("proxy")), ProbeResults(startup={"proxy-0": True})) == "main#0"


def test_backoff_holds_a_restart_back() -> None:
    ended = view(held("main", EXITED, 1, ended=NOW - 4))
    assert planned(pod(), ended, backoffs={"main": Backoff(10, NOW - 20)}) == "wait:main"
    actions = plan_pod(pod(), ended, ProbeResults(), {"main": Backoff(10, NOW - 20)}, NOW)
    assert actions.next_at == NOW + 6 and actions.is_empty
    assert planned(pod(), ended, backoffs={"main": Backoff(4, NOW - 20)}) == "main#1"


def test_forgotten_instance_counts_on_from_the_api() -> None:
    a_pod = pod()
    a_pod["status"] = {"containerStatuses": [{"name": "main", "restartCount": 4, "containerID": "x://y"}]}
    assert planned(a_pod, view()) == "main#5"


def test_backoff_first_restart_is_immediate_then_doubles_to_a_limit() -> None:
    entry = None
    assert restart_at(entry, NOW, NOW) <= NOW
    delays = []
    now = NOW
    for _ in range(8):
        entry = after_restart(entry, now, now)
        delays.append(entry.delay_s)
        now = restart_at(entry, now + 0.1, now + 0.1)
    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]
    assert after_restart(entry, now + 601, now + 601).delay_s == 10
    assert restart_at(entry, now + 601, now + 601) == now + 601


def test_backoff_is_recovered_from_the_attempt() -> None:
    assert recovered(0, 0, 1) is None
    assert recovered(3, NOW, NOW + 1) == Backoff(40, NOW + 1)
    assert recovered(3, NOW, NOW + 700) is None
    assert [spell(s) for s in (10, 80, 300)] == ["10s", "1m20s", "5m0s"]


def test_stop_order_keeps_sidecars_to_the_end() -> None:
    a_pod = pod(A, B, inits=[spec("one", restartPolicy="Always"), spec("two", restartPolicy="Always")])
    steps = plan_stop(a_pod, view(held("a"), held("b"), held("one"), held("two"), held("old")))
    assert [sorted(c.config.name for c in step.containers) for step in steps] == [
        ["a", "b", "old"],
        ["two"],
        ["one"],
    ]
    assert remaining_grace_s(NOW + 5, NOW) == 5 and remaining_grace_s(NOW, NOW + 5) == 2


def test_runtime_lists_are_grouped_by_pod() -> None:
    grouped = group_by_pod(
        [box(0, False), box(1)], [held("main", EXITED), held("main", attempt=1, sandbox=1)]
    )
    found = grouped["u"]
    assert found.latest("main").id == "main-1" and found.previous("main").id == "main-0"
    assert found.ready_sandbox.id == "box1"


STATES = st.sampled_from([None, (RUNNING, 0), (EXITED, 0), (EXITED, 1), (CREATED, 0), (UNKNOWN, 0)])


@settings(max_examples=300, deadline=None)
@given(
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    kinds=st.lists(st.booleans(), max_size=3),
    states=st.lists(STATES, min_size=5, max_size=5),
    boxes=st.sampled_from(["none", "ready", "dead", "both"]),
    liveness=st.booleans(),
)
def test_plan_invariants_hold_for_any_state(policy, kinds, states, boxes, liveness) -> None:
    inits = [
        spec(f"i{n}", **({"restartPolicy": "Always"} if sidecar else {})) for n, sidecar in enumerate(kinds)
    ]
    a_pod = pod(A, B, inits=inits, policy=policy)
    names = [c["name"] for c in inits] + ["a", "b"]
    made = {"none": [], "ready": [box()], "dead": [box(ready=False)], "both": [box(0, False), box(1)]}[boxes]
    if boxes in ("dead", "both"):  # nothing lives in a sandbox that is not ready
        states = [state and (EXITED, state[1]) for state in states]
    containers = [
        held(name, *state) for name, state in zip(names, states, strict=False) if state is not None and made
    ]
    a_view = view(*containers, boxes=made)
    probes = ProbeResults(liveness={"a-0": liveness})
    actions = plan_pod(a_pod, a_view, probes, {}, NOW)
    assert actions == plan_pod(a_pod, a_view, probes, {}, NOW)
    if actions.kill_pod:
        assert not (actions.start or actions.kill or actions.create_sandbox)
    started = [start.name for start in actions.start]
    assert len(started) == len(set(started))
    regular_inits = [n for n in started if n.startswith("i") and not inits[int(n[1:])].get("restartPolicy")]
    assert len(regular_inits) <= 1
    if regular_inits:
        assert not {"a", "b"} & set(started)
    killed = {kill.name for kill in actions.kill}
    for name in started:
        latest = a_view.latest(name)
        if latest is not None and latest.state is RUNNING:
            assert name in killed or actions.create_sandbox
    status = pod_status(a_pod, Observed(a_view, probes), host_ips=("1.2.3.4",), now=NOW)
    assert status["phase"] in ("Pending", "Running", "Succeeded", "Failed")
    assert plan_status_patch("u", status, status) is None
    again = pod_status(
        {**a_pod, "status": status}, Observed(a_view, probes), host_ips=("1.2.3.4",), now=NOW + 50
    )
    assert plan_status_patch("u", status, again) is None


def status_of(a_pod: Any, a_view: PodView, **more: Any) -> Any:
    seen = Observed(
        a_view, **{k: v for k, v in more.items() if k in ("failures", "messages", "stopping", "probes")}
    )
    rest = {k: v for k, v in more.items() if k in ("verdict", "finished")}
    return pod_status(a_pod, seen, host_ips=("1.2.3.4",), now=NOW, **rest)


@pytest.mark.parametrize(
    ("policy", "states", "phase"),
    [
        ("Always", [None, None], "Pending"),
        ("Always", [(RUNNING, 0), None], "Pending"),
        ("Always", [(RUNNING, 0), (RUNNING, 0)], "Running"),
        ("Always", [(RUNNING, 0), (EXITED, 1)], "Running"),
        ("Always", [(EXITED, 0), (EXITED, 0)], "Running"),
        ("OnFailure", [(EXITED, 0), (EXITED, 0)], "Succeeded"),
        ("OnFailure", [(EXITED, 0), (EXITED, 1)], "Running"),
        ("Never", [(EXITED, 0), (EXITED, 0)], "Succeeded"),
        ("Never", [(EXITED, 0), (EXITED, 1)], "Failed"),
        ("Never", [(EXITED, 1), (RUNNING, 0)], "Running"),
    ],
)
def test_phase_table(policy: str, states: Any, phase: str) -> None:
    containers = [held(n, *s) for n, s in zip("ab", states, strict=True) if s]
    assert status_of(pod(A, B, policy=policy), view(*containers))["phase"] == phase


def test_status_of_a_crash_loop_waits_and_keeps_the_end() -> None:
    failures = {"main": Failure("CrashLoopBackOff", "back-off 10s ...")}
    ended = held("main", EXITED, 2, attempt=3)
    entry = status_of(pod(), view(ended), failures=failures, messages={"main-3": "boom"})[
        "containerStatuses"
    ][0]
    assert entry["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s ..."}}
    last = entry["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (2, "Error", "boom")
    assert entry["restartCount"] == 3 and not entry["ready"] and entry["started"] is False


def test_status_of_a_vanished_container_says_so() -> None:
    a_pod = pod(policy="Never")
    a_pod["status"] = {
        "containerStatuses": [
            {"name": "main", "state": {"running": {}}, "containerID": "x://gone", "restartCount": 0}
        ]
    }
    entry = status_of(a_pod, view(), stopping=True)["containerStatuses"][0]
    assert entry["state"]["terminated"]["reason"] == "ContainerStatusUnknown"


def test_verdict_fails_the_pod_and_final_phases_stay() -> None:
    verdict = Verdict("Evicted", "low", ("DisruptionTarget", "TerminationByKubelet", "low"))
    status = status_of(pod(), view(held("main")), verdict=verdict)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "low")
    assert any(c["type"] == "DisruptionTarget" and c["status"] == "True" for c in status["conditions"])
    done = {**pod(), "status": {"phase": "Succeeded"}}
    assert status_of(done, view(held("main")))["phase"] == "Succeeded"
    assert status_of(pod(), view(held("main", EXITED, 143)), finished=True)["phase"] == "Failed"
    assert status_of(pod(), view(held("main", EXITED, 0)), finished=True)["phase"] == "Succeeded"


def test_readiness_gates_hold_ready_back() -> None:
    a_pod = pod(readinessGates=[{"conditionType": "lb/ready"}])
    conditions = {c["type"]: c for c in status_of(a_pod, view(held("main")))["conditions"]}
    assert conditions["ContainersReady"]["status"] == "True"
    assert conditions["Ready"]["reason"] == "ReadinessGatesNotReady"
    a_pod["status"] = {"conditions": [{"type": "lb/ready", "status": "True"}]}
    conditions = {c["type"]: c for c in status_of(a_pod, view(held("main")))["conditions"]}
    assert conditions["Ready"]["status"] == "True" and "lb/ready" in conditions


def test_status_patch_names_only_what_changed() -> None:
    old = {
        "phase": "Running",
        "podIPs": [{"ip": "1.1.1.1"}],
        "reason": "x",
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
            {"type": "lb/ready", "status": "True"},
        ],
    }
    new = {
        "phase": "Running",
        "podIPs": [{"ip": "2.2.2.2"}],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "lb/ready", "status": "True"}],
    }
    patch = plan_status_patch("u", old, new)
    assert patch == {
        "metadata": {"uid": "u"},
        "status": {
            "reason": None,
            "podIPs": [{"$patch": "replace"}, {"ip": "2.2.2.2"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": None}],
        },
    }
