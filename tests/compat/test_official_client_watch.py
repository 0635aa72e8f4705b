"""What the official client builds on lists and watches: pages, streams that resume, the shared informer, leader election."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from kubernetes import client, informer, watch
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock


def config_map(name: str, **data: str) -> dict:
    return {"metadata": {"name": name, "labels": {"made": "here"}}, "data": data}


def wait_until(condition: Callable[[], object], timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


@pytest.fixture
def core(api_client):
    return client.CoreV1Api(api_client)


def test_watch_resumed_at_a_revision_misses_nothing_and_repeats_nothing(core, namespace):
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    for number in range(6):
        core.create_namespaced_config_map(namespace, config_map(f"c{number}"))
    core.delete_namespaced_config_map("c0", namespace)

    wanted = [("ADDED", f"c{number}") for number in range(6)] + [("DELETED", "c0")]
    seen: list[tuple[str, str]] = []
    revision = start
    while len(seen) < 7:  # a connection for every two events
        stream = watch.Watch()
        for event in stream.stream(
            core.list_namespaced_config_map,
            namespace,
            resource_version=revision,
            label_selector="made=here",
            timeout_seconds=10,
        ):
            seen.append((event["type"], event["object"].metadata.name))
            revision = event["object"].metadata.resource_version
            if len(seen) % 2 == 0 or len(seen) == 7:
                stream.stop()
    assert seen == wanted


def test_watch_that_times_out_on_the_server_ends_by_itself(core, namespace):
    started = time.monotonic()
    events = list(watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=1))
    assert {event["object"].metadata.name for event in events} == {"kube-root-ca.crt"}
    assert 0.9 <= time.monotonic() - started < 5


def test_streaming_list_marks_where_the_state_ends(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("c"))
    stream = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        send_initial_events=True,
        resource_version_match="NotOlderThan",
        allow_watch_bookmarks=True,
        label_selector="made=here",
        timeout_seconds=10,
    )
    added, mark = next(stream), next(stream)
    stream.close()
    assert (added["type"], added["object"].metadata.name) == ("ADDED", "c")
    assert mark["type"] == "BOOKMARK"
    assert mark["raw_object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_revision_that_does_not_exist_yet_is_told_to_be_tried_again(core, namespace):
    with pytest.raises(client.ApiException) as refused:
        core.list_namespaced_config_map(namespace, resource_version="999999999")
    assert refused.value.status == 504
    assert "Too large resource version" in refused.value.body


def test_pages_make_one_consistent_list(core, namespace):
    for number in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"c{number}"))
    names, token, pages, revisions = [], None, 0, set()
    while True:
        page = core.list_namespaced_config_map(
            namespace, label_selector="made=here", limit=2, _continue=token
        )
        names += [item.metadata.name for item in page.items]
        revisions.add(page.metadata.resource_version)
        if not pages:  # what comes between two pages is not in this list
            core.create_namespaced_config_map(namespace, config_map("c9"))
        pages, token = pages + 1, page.metadata._continue
        if not token:
            break
    assert (names, pages, len(revisions)) == ([f"c{number}" for number in range(5)], 3, 1)


def test_shared_informer_keeps_its_cache_in_step(core, namespace):
    shared = informer.SharedInformer(
        core.list_namespaced_config_map, namespace=namespace, label_selector="made=here"
    )
    seen: list[tuple[str, str]] = []
    for kind in (informer.ADDED, informer.MODIFIED, informer.DELETED):
        shared.add_event_handler(kind, lambda obj, kind=kind: seen.append((kind, obj.metadata.name)))
    core.create_namespaced_config_map(namespace, config_map("before"))
    shared.start()
    try:
        wait_until(lambda: seen == [("ADDED", "before")])
        core.create_namespaced_config_map(namespace, config_map("after", a="1"))
        core.patch_namespaced_config_map("after", namespace, {"data": {"a": "2"}})
        core.delete_namespaced_config_map("before", namespace)
        wait_until(lambda: len(seen) == 4)
    finally:
        # The informer's thread looks at its stop only when an event comes.
        threading.Timer(0.2, core.create_namespaced_config_map, (namespace, config_map("last"))).start()
        shared.stop()
    assert seen[1:4] == [("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "before")]
    assert shared.cache.get_by_key(f"{namespace}/after").data == {"a": "2"}
    assert shared.cache.get_by_key(f"{namespace}/before") is None


def test_one_of_two_candidates_leads_and_the_other_follows_when_it_leaves(api_client, namespace, monkeypatch):
    monkeypatch.setattr(client.Configuration, "_default", api_client.configuration)
    led: list[str] = []

    def candidate(name: str, lead: Callable[[], None]) -> threading.Thread:
        settings = electionconfig.Config(
            LeaseLock("leader", namespace, name),
            lease_duration=3,
            renew_deadline=2,
            retry_period=1,
            onstarted_leading=lead,
            onstopped_leading=lambda: led.append(f"{name} stopped"),
        )
        thread = threading.Thread(target=leaderelection.LeaderElection(settings).run, daemon=True)
        thread.start()
        return thread

    one = candidate("one", lambda: led.append("one"))
    wait_until(lambda: led == ["one"])
    two = candidate("two", lambda: led.append("two"))
    leases = client.CoordinationV1Api(api_client)
    assert leases.read_namespaced_lease("leader", namespace).spec.holder_identity == "one"

    # One loses its lease to somebody whose time is long over: it stops, and a candidate takes what has run out.
    leases.patch_namespaced_lease("leader", namespace, {"spec": {"holderIdentity": "gone"}})
    wait_until(lambda: "one stopped" in led and "two" in led, 20)
    assert leases.read_namespaced_lease("leader", namespace).spec.holder_identity == "two"
    leases.patch_namespaced_lease("leader", namespace, {"spec": {"holderIdentity": "gone"}})
    wait_until(lambda: "two stopped" in led)
    for thread in (one, two):
        thread.join(5)
        assert not thread.is_alive()
