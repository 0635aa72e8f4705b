"""A kopf operator on its own kind: handlers of every sort, finalizers, progress in annotations and statuses, events,
resumption after a restart, peering, and kopf's admission server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf
import pytest
from kopf.testing import KopfRunner
from kubernetes import client

from standalone.pki import ensure_pki, server_leaves

OPERATOR = Path(__file__).with_name("kopf_operator.py")


class World:
    """The cluster as the operator's user sees it, in one namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self.core = client.CoreV1Api(api)
        self.custom = client.CustomObjectsApi(api)
        self._at = ("compat.example.com", "v1", namespace, "widgets")

    def create(self, name: str, colour: str, **labels: str) -> Any:
        body = {"apiVersion": "compat.example.com/v1", "kind": "Widget", "spec": {"colour": colour}}
        return self.custom.create_namespaced_custom_object(
            *self._at, {**body, "metadata": {"name": name, "labels": labels}}
        )

    def patch(self, name: str, patch: dict[str, Any]) -> Any:
        return self.custom.patch_namespaced_custom_object(*self._at, name, patch)

    def delete(self, name: str) -> None:
        self.custom.delete_namespaced_custom_object(*self._at, name)

    def get(self, name: str) -> dict[str, Any] | None:
        found = self.custom.list_namespaced_custom_object(*self._at, field_selector=f"metadata.name={name}")[
            "items"
        ]
        return found[0] if found else None

    def status(self, name: str) -> dict[str, Any]:
        return (self.get(name) or {}).get("status", {})

    def config_map(self, name: str) -> dict[str, str] | None:
        found = self.core.list_namespaced_config_map(
            self.namespace, field_selector=f"metadata.name={name}"
        ).items
        return (found[0].data or {}) if found else None


def until(condition: Callable[[], Any], timeout_s: float = 15) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


@pytest.fixture
def world(api_client, namespace, widgets) -> World:
    return World(api_client, namespace)


@pytest.fixture
def operated(compat_cluster, namespace, monkeypatch):
    """`with operated(): ...` runs the operator for a while."""
    monkeypatch.setenv("KUBECONFIG", str(compat_cluster.kubeconfig))

    @contextmanager
    def run(*flags: str) -> Iterator[KopfRunner]:
        flags = flags or ("--standalone",)
        kopf.set_default_registry(kopf.OperatorRegistry())  # of this operator's handlers alone
        with KopfRunner(["run", "--namespace", namespace, *flags, str(OPERATOR)], timeout=20) as runner:
            yield runner
        assert runner.exception is None, runner.output
        assert runner.exit_code == 0, runner.output
        assert "Traceback" not in runner.output

    return run


def test_operator_follows_a_widget_from_creation_to_deletion(operated, world):
    with operated():
        made = world.create("w", "red")
        until(lambda: world.status("w").get("created"))
        assert world.config_map("w") == {"colour": "red"}
        read = world.get("w")
        assert read["status"]["phase"] == "Painted"
        assert read["metadata"]["finalizers"] == ["compat.example.com/operator"]
        assert "kopf.zalando.org/last-handled-configuration" in read["metadata"]["annotations"]
        owner = world.core.read_namespaced_config_map("w", world.namespace).metadata.owner_references[0]
        assert (owner.kind, owner.uid) == ("Widget", made["metadata"]["uid"])

        world.patch("w", {"spec": {"colour": "blue"}})
        until(lambda: world.config_map("w") == {"colour": "blue"})
        assert until(lambda: world.status("w").get("repainted")) == "red to blue"

        def reasons() -> set[str]:
            return {each.reason for each in world.core.list_namespaced_event(world.namespace).items}

        until(lambda: "Painted" in reasons())
        world.delete("w")
        until(lambda: world.get("w") is None)
        assert world.config_map("w-was-here") is not None
        until(lambda: world.config_map("w") is None)  # the garbage collector's, by the owner that kopf set


def test_handler_that_fails_is_tried_again_until_it_succeeds(operated, world):
    with operated():
        world.create("w", "red", flaky="yes")
        assert until(lambda: world.status("w").get("flaky")) == {"tries": 3}


def test_timers_tick_and_daemons_stop_with_their_object(operated, world):
    with operated():
        world.create("w", "red", ticks="yes", watched="yes")
        until(lambda: world.status("w").get("ticks", 0) >= 3)
        until(lambda: world.config_map("w-watched") is not None)
        world.delete("w")
        until(lambda: world.get("w") is None)
        until(lambda: world.config_map("w-watched") is None)


def test_index_answers_from_what_the_operator_has_seen(operated, world):
    with operated():
        world.create("w", "red")
        world.create("v", "green")
        until(lambda: world.status("w").get("created") and world.status("v").get("created"))
        world.core.create_namespaced_config_map(
            world.namespace, {"metadata": {"name": "question", "labels": {"ask": "colours"}}}
        )
        assert until(lambda: world.config_map("question")) == {"answer": "green,red"}


def test_operator_that_was_away_makes_up_for_it(operated, world):
    with operated():
        world.create("w", "red")
        until(lambda: world.status("w").get("created"))
    world.patch("w", {"spec": {"colour": "blue"}})
    world.delete("w")
    world.create("v", "green")
    assert world.get("w")["metadata"]["deletionTimestamp"]
    with operated():
        until(lambda: world.get("w") is None)
        until(lambda: world.config_map("v") == {"colour": "green"})
    with operated():
        assert until(lambda: world.status("v").get("resumed"))


def test_of_two_peers_the_one_of_higher_priority_works(operated, world, api_client, caplog):
    extensions = client.ApiextensionsV1Api(api_client)
    peering = {
        "group": "kopf.dev",
        "scope": "Namespaced",
        "names": {"plural": "kopfpeerings", "singular": "kopfpeering", "kind": "KopfPeering"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                        },
                    }
                },
            }
        ],
    }
    extensions.create_custom_resource_definition(
        {"metadata": {"name": "kopfpeerings.kopf.dev"}, "spec": peering}
    )
    at = ("kopf.dev", "v1", world.namespace, "kopfpeerings")
    made = {"apiVersion": "kopf.dev/v1", "kind": "KopfPeering", "metadata": {"name": "shared"}}
    until(lambda: extensions.read_custom_resource_definition("kopfpeerings.kopf.dev").status.conditions)
    world.custom.create_namespaced_custom_object(*at, made)

    def peers() -> dict[str, Any]:
        return world.custom.get_namespaced_custom_object(*at, "shared").get("status") or {}

    with operated("--peering", "shared", "--priority", "1"):
        until(lambda: len(peers()) == 1)
        world.create("w", "red")
        until(lambda: world.status("w").get("created"))
        stronger = {
            "status": {"stronger": {"priority": 9, "lifetime": 60, "lastseen": datetime.now(UTC).isoformat()}}
        }
        world.custom.patch_namespaced_custom_object(*at, "shared", stronger)
        until(lambda: "Pausing operations" in caplog.text)
        world.create("v", "green")
        time.sleep(0.5)
        assert not world.status("v").get("created")
        world.custom.patch_namespaced_custom_object(*at, "shared", {"status": {"stronger": None}})
        until(lambda: world.status("v").get("created"))
    assert peers() == {}


def test_admission_server_validates_warns_and_mutates(operated, world, tmp_path, monkeypatch, recwarn):
    ensure_pki(tmp_path, server_leaves(["127.0.0.1"], []), datetime.now(UTC))
    certificate = next(tmp_path.glob("apiserver.crt"))
    monkeypatch.setenv("WEBHOOK_CERTIFICATE", str(certificate))
    monkeypatch.setenv("WEBHOOK_KEY", str(certificate.with_suffix(".key")))
    monkeypatch.setenv("WEBHOOK_CA", str(tmp_path / "ca.crt"))
    admission = client.AdmissionregistrationV1Api(world.core.api_client)

    def hooks() -> list[Any]:
        found = [
            *admission.list_validating_webhook_configuration().items,
            *admission.list_mutating_webhook_configuration().items,
        ]
        mine = [each for each in found if each.metadata.name == "widgets.compat.example.com"]
        return [hook for each in mine for hook in each.webhooks or ()]

    def refusal_of_a_try() -> client.ApiException | None:
        body = {"apiVersion": "compat.example.com/v1", "kind": "Widget", "metadata": {"name": "dull"}}
        at = ("compat.example.com", "v1", world.namespace, "widgets", {**body, "spec": {"colour": "beige"}})
        try:
            world.custom.create_namespaced_custom_object(*at, dry_run="All")
        except client.ApiException as refused:
            return refused
        return None

    with operated():
        until(lambda: len(hooks()) == 2)
        until(lambda: refusal_of_a_try() is not None)  # the API server has to see them too
        refused = refusal_of_a_try()
        assert "beige is dull" in refused.body
        assert refused.status == 499
        made = world.create("w", "red")
        assert made["spec"]["parts"] == [{"name": "given", "size": 1}]
        until(lambda: world.status("w").get("created"))
    until(lambda: hooks() == [])
