"""Strategic merge patch: lists by key, directives, and patches made from three sides."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.patch import PatchError, strategic, strategic_diff
from machinery.schema import Schema


def pod_spec(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": fields}}}


def test_containers_merge_by_name(deployment: Schema) -> None:
    live = pod_spec(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "1", "args": ["x"]}])
    patch = pod_spec(containers=[{"name": "b", "image": "2"}, {"name": "c", "image": "3"}])
    got = strategic.apply(live, patch, deployment)
    assert got == pod_spec(
        containers=[
            {"name": "a", "image": "1"},
            {"name": "b", "image": "2", "args": ["x"]},
            {"name": "c", "image": "3"},
        ]
    )
    assert live["spec"]["template"]["spec"]["containers"][1]["image"] == "1"


def test_list_without_merge_strategy_is_replaced(deployment: Schema) -> None:
    live = pod_spec(tolerations=[{"key": "a"}], containers=[{"name": "a", "args": ["1", "2"]}])
    patch = pod_spec(tolerations=[{"key": "b"}], containers=[{"name": "a", "args": ["3"]}])
    assert strategic.apply(live, patch, deployment) == patch


def test_delete_directive_removes_the_element(deployment: Schema) -> None:
    live = pod_spec(containers=[{"name": "a"}, {"name": "b"}])
    patch = pod_spec(containers=[{"name": "a", "$patch": "delete"}])
    assert strategic.apply(live, patch, deployment) == pod_spec(containers=[{"name": "b"}])


def test_replace_directive_in_a_list_drops_the_others(deployment: Schema) -> None:
    live = pod_spec(containers=[{"name": "a"}, {"name": "b"}])
    patch = pod_spec(containers=[{"name": "c"}, {"$patch": "replace"}])
    assert strategic.apply(live, patch, deployment) == pod_spec(containers=[{"name": "c"}])


def test_replace_and_delete_directives_in_a_map(deployment: Schema) -> None:
    live = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}}
    replaced = strategic.apply(live, {"spec": {"strategy": {"$patch": "replace", "type": "x"}}}, deployment)
    assert replaced == {"spec": {"strategy": {"type": "x"}}}
    deleted = strategic.apply(live, {"spec": {"strategy": {"$patch": "delete"}}}, deployment)
    assert deleted == {"spec": {"strategy": {}}}


def test_retain_keys_drops_the_rest(deployment: Schema) -> None:
    live = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.apply(live, patch, deployment) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_retain_keys_that_forgets_a_patched_key_is_refused(deployment: Schema) -> None:
    with pytest.raises(PatchError, match="retainKeys"):
        strategic.apply({"spec": {}}, {"$retainKeys": ["a"], "b": 1}, deployment)


def test_primitive_lists_merge_and_shrink(deployment: Schema) -> None:
    live = {"metadata": {"finalizers": ["a", "b"]}}
    added = strategic.apply(live, {"metadata": {"finalizers": ["c", "a"]}}, deployment)
    assert sorted(added["metadata"]["finalizers"]) == ["a", "b", "c"]
    removed = strategic.apply(live, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, deployment)
    assert removed == {"metadata": {"finalizers": ["b"]}}


def test_set_element_order_orders_and_keeps_strangers_near(deployment: Schema) -> None:
    live = pod_spec(containers=[{"name": n} for n in ("a", "x", "b", "c")])
    patch = {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": n} for n in "cab"]}}}}
    got = strategic.apply(live, patch, deployment)
    names = [c["name"] for c in got["spec"]["template"]["spec"]["containers"]]
    assert [n for n in names if n != "x"] == ["c", "a", "b"]
    assert len(names) == 4


def test_set_image_as_kubectl_sends_it(deployment: Schema) -> None:
    live = pod_spec(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "1"}])
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                    "containers": [{"image": "2", "name": "b"}],
                }
            }
        }
    }
    want = pod_spec(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "2"}])
    assert strategic.apply(live, patch, deployment) == want


def test_null_deletes_and_is_dropped_where_nothing_was(deployment: Schema) -> None:
    live = {"spec": {"replicas": 1, "paused": True}}
    patch = {"spec": {"paused": None, "selector": {"matchLabels": {"a": "b", "c": None}}}}
    assert strategic.apply(live, patch, deployment) == {
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}
    }


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"spec": {"$patch": "bad"}}, "unknown patch type: bad"),
        (pod_spec(containers=[{"image": "x"}]), "does not contain declared merge key: name"),
        ([], "must be a JSON object"),
        (
            {
                "spec": {
                    "template": {
                        "spec": {
                            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                            "containers": [{"name": "a"}, {"name": "b"}],
                        }
                    }
                }
            },
            "doesn't match $setElementOrder list",
        ),
    ],
)
def test_faulty_patch_is_refused(deployment: Schema, patch: Any, message: str) -> None:
    live = {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "a"}]}}}}
    with pytest.raises(PatchError) as caught:
        strategic.apply(live, patch, deployment)
    assert message in str(caught.value)


def test_three_way_keeps_what_others_added(deployment: Schema) -> None:
    original = pod_spec(containers=[{"name": "a", "image": "1"}, {"name": "old", "image": "1"}])
    modified = pod_spec(containers=[{"name": "a", "image": "2"}, {"name": "new", "image": "1"}])
    current = pod_spec(
        containers=[
            {"name": "a", "image": "1", "args": ["kept"]},
            {"name": "old", "image": "1"},
            {"name": "sidecar", "image": "s"},
        ]
    )
    current["spec"]["replicas"] = 3
    patch = strategic_diff.three_way(original, modified, current, deployment)
    got = strategic.apply(current, patch, deployment)
    assert got["spec"]["replicas"] == 3
    by_name = {c["name"]: c for c in got["spec"]["template"]["spec"]["containers"]}
    assert by_name == {
        "a": {"name": "a", "image": "2", "args": ["kept"]},
        "new": {"name": "new", "image": "1"},
        "sidecar": {"name": "sidecar", "image": "s"},
    }
    # Others' elements count as another order: it is told again, and changes nothing.
    again = strategic_diff.three_way(modified, modified, got, deployment)
    assert strategic.apply(got, again, deployment) == got


def test_three_way_retains_keys_of_a_union(deployment: Schema) -> None:
    original = pod_spec(volumes=[{"name": "v", "emptyDir": {}}])
    modified = pod_spec(volumes=[{"name": "v", "configMap": {"name": "c"}}])
    patch = strategic_diff.three_way(original, modified, original, deployment)
    assert patch["spec"]["template"]["spec"]["volumes"][0]["$retainKeys"] == ["configMap", "name"]
    assert strategic.apply(original, patch, deployment) == modified


def test_two_way_removes_from_primitive_lists(deployment: Schema) -> None:
    old = {"metadata": {"finalizers": ["a", "b"]}}
    new = {"metadata": {"finalizers": ["b", "c"]}}
    patch = strategic_diff.two_way(old, new, deployment)
    assert strategic.apply(old, patch, deployment) == new
