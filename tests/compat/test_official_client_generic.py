"""The official client where it knows no types: DynamicClient over discovery, custom objects, server-side apply, manifests
from files, access reviews, and a configuration as a pod finds it.
"""

from __future__ import annotations

import json

import pytest
import yaml
from kubernetes import client, config, dynamic, utils
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, ResourceNotFoundError

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def by_discovery(api_client, tmp_path_factory):
    cache = tmp_path_factory.mktemp("discovery") / "cache.json"
    return dynamic.DynamicClient(api_client, cache_file=str(cache))


def test_discovery_finds_kinds_and_remembers_them_in_its_cache(api_client, tmp_path):
    cache = tmp_path / "cache.json"
    first = dynamic.DynamicClient(api_client, cache_file=str(cache))
    assert first.resources.get(api_version="apps/v1", kind="Deployment").name == "deployments"
    assert json.loads(cache.read_text())["version"] is not None
    again = dynamic.DynamicClient(api_client, cache_file=str(cache))
    assert again.resources.get(api_version="v1", kind="Pod").subresources["log"].name == "pods/log"
    assert again.version["kubernetes"]["gitVersion"].startswith("v1.36")
    found = again.resources.search(kind="Event")
    assert {each.group_version for each in found} >= {"v1", "events.k8s.io/v1"}
    with pytest.raises(ResourceNotFoundError):
        again.resources.get(api_version="v1", kind="Nonsense")


def test_dynamic_client_writes_patches_watches_and_deletes(by_discovery, namespace):
    maps = by_discovery.resources.get(api_version="v1", kind="ConfigMap")
    made = maps.create(
        namespace=namespace, body={"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    )
    for event in maps.watch(
        namespace=namespace, name="c", resource_version=made.metadata.resourceVersion, timeout=1
    ):
        raise AssertionError(f"nothing happened since the creation, and yet: {event}")
    assert (
        maps.patch(namespace=namespace, name="c", body={"data": {"b": "2"}}, content_type=MERGE).data.b == "2"
    )
    events = maps.watch(
        namespace=namespace, name="c", resource_version=made.metadata.resourceVersion, timeout=5
    )
    assert next(events)["object"].data.to_dict() == {"a": "1", "b": "2"}
    events.close()
    body = maps.get(namespace=namespace, name="c").to_dict()
    body["metadata"]["resourceVersion"] = made.metadata.resourceVersion
    with pytest.raises(ConflictError):
        maps.replace(namespace=namespace, body=body)
    assert [
        each.metadata.name for each in maps.get(namespace=namespace, field_selector="metadata.name=c").items
    ] == ["c"]
    maps.delete(namespace=namespace, name="c")
    with pytest.raises(NotFoundError):
        maps.get(namespace=namespace, name="c")


def test_server_side_apply_shares_fields_and_names_conflicts(by_discovery, namespace):
    maps = by_discovery.resources.get(api_version="v1", kind="ConfigMap")

    def apply(manager: str, data: dict[str, str], **options: bool) -> dict[str, str]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}
        done = maps.server_side_apply(body=body, namespace=namespace, field_manager=manager, **options)
        return done.data.to_dict()

    assert apply("one", {"a": "1", "b": "1"}) == {"a": "1", "b": "1"}
    assert apply("two", {"c": "2"}) == {"a": "1", "b": "1", "c": "2"}
    with pytest.raises(ConflictError) as refused:
        apply("two", {"a": "2", "c": "2"})
    status = json.loads(refused.value.body)
    assert [(each["reason"], each["field"]) for each in status["details"]["causes"]] == [
        ("FieldManagerConflict", ".data.a")
    ]
    assert 'conflict with "one"' in status["message"]
    assert apply("two", {"a": "2", "c": "2"}, force_conflicts=True)["a"] == "2"
    assert apply("one", {}) == {"a": "2", "c": "2"}  # what one alone had goes, what two took stays


def test_dynamic_client_reaches_custom_kinds_and_their_subresources(api_client, widgets, namespace):
    found = dynamic.DynamicClient(api_client).resources.get(api_version=f"{widgets}/v1", kind="Widget")
    made = found.create(
        namespace=namespace,
        body={
            "apiVersion": f"{widgets}/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"colour": "red"},
        },
    )
    assert made.spec.replicas == 1
    found.status.patch(namespace=namespace, name="w", body={"status": {"replicas": 1}}, content_type=MERGE)
    found.subresources["scale"].patch(
        namespace=namespace, name="w", body={"spec": {"replicas": 4}}, content_type=MERGE
    )
    read = found.get(namespace=namespace, name="w")
    assert (read.spec.replicas, read.status.replicas, read.metadata.generation) == (4, 1, 2)
    selected = found.get(namespace=namespace, field_selector="spec.colour=blue")
    assert selected.items == []


def test_custom_objects_live_through_every_verb(api_client, widgets, namespace):
    custom = client.CustomObjectsApi(api_client)
    at = (widgets, "v1", namespace, "widgets")
    widget = {
        "apiVersion": f"{widgets}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"colour": "red"},
    }
    made = custom.create_namespaced_custom_object(*at, widget)
    assert made["metadata"]["generation"] == 1
    made["spec"]["colour"] = "green"
    assert custom.replace_namespaced_custom_object(*at, "w", made)["metadata"]["generation"] == 2
    custom.patch_namespaced_custom_object_status(*at, "w", {"status": {"phase": "Done"}})
    custom.patch_namespaced_custom_object_scale(*at, "w", {"spec": {"replicas": 2}})
    assert custom.get_namespaced_custom_object_scale(*at, "w")["kind"] == "Scale"
    assert custom.get_namespaced_custom_object_status(*at, "w")["status"] == {"phase": "Done"}
    assert len(custom.list_namespaced_custom_object(*at)["items"]) == 1
    for spec, reason in (({"colour": 7}, "spec.colour"), ({"colour": "plaid"}, "plaid is no colour")):
        with pytest.raises(client.ApiException, match="422") as refused:
            custom.patch_namespaced_custom_object(*at, "w", {"spec": spec})
        assert reason in refused.value.body
    custom.delete_collection_namespaced_custom_object(*at)
    assert custom.list_namespaced_custom_object(*at)["items"] == []
    planet = {
        "apiVersion": f"{widgets}/v1",
        "kind": "Planet",
        "metadata": {"name": "mars"},
        "moons": ["phobos"],
    }
    assert custom.create_cluster_custom_object(widgets, "v1", "planets", planet)["moons"] == ["phobos"]
    custom.delete_cluster_custom_object(widgets, "v1", "planets", "mars")


def test_manifests_are_created_from_files_and_applied_again(api_client, namespace, tmp_path):
    documents = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}}],
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "c"},
            "spec": {"podSelector": {}},
        },
    ]
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    utils.create_from_yaml(api_client, str(file), namespace=namespace)
    assert client.CoreV1Api(api_client).read_namespaced_secret("b", namespace).type == "Opaque"
    with pytest.raises(utils.FailToCreateError) as refused:
        utils.create_from_yaml(api_client, str(file), namespace=namespace)
    assert [json.loads(each.body)["reason"] for each in refused.value.api_exceptions] == ["AlreadyExists"] * 3
    utils.create_from_yaml(api_client, str(file), namespace=namespace, apply=True)


def test_reviews_say_who_one_is_and_what_one_may(api_client, namespace):
    access, who = client.AuthorizationV1Api(api_client), client.AuthenticationV1Api(api_client)
    assert who.create_self_subject_review({}).status.user_info.username == "kubernetes-admin"
    pods = {"resource": "pods", "verb": "list", "namespace": namespace}
    assert access.create_self_subject_access_review({"spec": {"resourceAttributes": pods}}).status.allowed
    asked = {"spec": {"user": "jane", "resourceAttributes": pods}}
    assert not access.create_subject_access_review(asked).status.allowed
    assert not access.create_namespaced_local_subject_access_review(
        namespace, {"metadata": {"namespace": namespace}, **asked}
    ).status.allowed
    rules = access.create_self_subject_rules_review({"spec": {"namespace": namespace}}).status
    assert any("*" in rule.verbs and "*" in rule.resources for rule in rules.resource_rules)
    token = client.CoreV1Api(api_client).create_namespaced_service_account_token(
        "default", namespace, {"spec": {"audiences": None, "expirationSeconds": 600}}
    )
    review = who.create_token_review({"spec": {"token": token.status.token}}).status
    assert review.authenticated
    assert review.user.username == f"system:serviceaccount:{namespace}:default"
    assert not who.create_token_review({"spec": {"token": "nonsense"}}).status.authenticated


def test_configuration_inside_a_pod_reaches_the_cluster_with_its_rights_alone(
    api_client, compat_cluster, namespace, tmp_path
):
    token = client.CoreV1Api(api_client).create_namespaced_service_account_token(
        "default", namespace, {"spec": {"expirationSeconds": 600}}
    )
    (tmp_path / "token").write_text(token.status.token)
    admin = yaml.safe_load(compat_cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    host, port = admin["server"].removeprefix("https://").split(":")
    ca = client.CoreV1Api(api_client).read_namespaced_config_map("kube-root-ca.crt", namespace).data["ca.crt"]
    (tmp_path / "ca.crt").write_text(ca)
    inside = client.Configuration()
    config.incluster_config.InClusterConfigLoader(
        token_filename=str(tmp_path / "token"),
        cert_filename=str(tmp_path / "ca.crt"),
        environ={"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port},
    ).load_and_set(inside)
    with client.ApiClient(inside) as mine:
        core = client.CoreV1Api(mine)
        with pytest.raises(client.ApiException, match="403") as refused:
            core.list_namespaced_pod(namespace)
        assert f'User \\"system:serviceaccount:{namespace}:default\\" cannot list' in refused.value.body
        client.RbacAuthorizationV1Api(api_client).create_namespaced_role_binding(
            namespace,
            {
                "metadata": {"name": "view"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
            },
        )
        assert core.list_namespaced_pod(namespace).items == []
