"""Server-side apply and the tracking of fields."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.errors import BadRequest, Conflict
from machinery.patch import PatchError
from machinery.patch.apply import apply, managed, merging, sets, update_managed_fields
from machinery.schema import Schema

Obj = dict[str, Any]


def deploy(spec: Obj | None = None, **metadata: Any) -> Obj:
    out: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", **metadata}}
    return {**out, "spec": spec} if spec else out


def ssa(
    schema: Schema | None, live: Obj | None, config: Obj, manager: str = "m", *, force: bool = False
) -> Obj:
    return apply(live, config, manager=manager, api_version="apps/v1", now=0, schema=schema, force=force)


def write(
    schema: Schema | None, live: Obj | None, new: Obj, manager: str, now: float = 0, sub: str = ""
) -> Obj:
    new = {**new, "metadata": dict(new["metadata"])}
    update_managed_fields(
        live, new, manager=manager, api_version="apps/v1", now=now, schema=schema, subresource=sub
    )
    return new


def fields_of(obj: Obj, manager: str) -> Obj | None:
    for entry in obj["metadata"].get("managedFields", ()):
        if entry["manager"] == manager:
            fields: Obj = entry["fieldsV1"]
            return fields
    return None


CONTAINERS = {
    "template": {"spec": {"containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}]}}
}


def test_apply_creates_and_owns_what_it_said(deployment: Schema) -> None:
    obj = ssa(deployment, None, deploy({"replicas": 1, **CONTAINERS}, labels={"x": "y"}))
    assert obj["spec"]["replicas"] == 1
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "m",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "time": "1970-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:x": {}}},
                "f:spec": {
                    "f:replicas": {},
                    "f:template": {
                        "f:spec": {
                            "f:containers": {
                                'k:{"name":"a"}': {
                                    ".": {},
                                    "f:name": {},
                                    "f:image": {},
                                    "f:ports": {
                                        'k:{"containerPort":80,"protocol":"TCP"}': {
                                            ".": {},
                                            "f:containerPort": {},
                                        }
                                    },
                                }
                            }
                        }
                    },
                },
            },
        }
    ]


def test_apply_again_changes_nothing(deployment: Schema) -> None:
    config = deploy({"replicas": 1, **CONTAINERS})
    first = ssa(deployment, None, config)
    assert ssa(deployment, first, config) == first


def test_changing_anothers_field_is_a_conflict_in_upstreams_words(deployment: Schema) -> None:
    live = ssa(deployment, None, deploy({"replicas": 1}), "one")
    with pytest.raises(Conflict) as caught:
        ssa(deployment, live, deploy({"replicas": 2}), "two")
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "one": .spec.replicas'
    assert [(c.reason, c.message, c.field) for c in caught.value.causes] == [
        ("FieldManagerConflict", 'conflict with "one"', ".spec.replicas")
    ]


def test_several_conflicts_are_listed_by_manager(deployment: Schema) -> None:
    live = write(deployment, None, deploy({"replicas": 1, **CONTAINERS}), "edit")
    config = deploy({"replicas": 2, "template": {"spec": {"containers": [{"name": "a", "image": "2"}]}}})
    with pytest.raises(Conflict) as caught:
        ssa(deployment, live, config, "two")
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "edit" using apps/v1:\n'
        '- .spec.replicas\n- .spec.template.spec.containers[name="a"].image'
    )


def test_force_takes_the_field_over(deployment: Schema) -> None:
    live = ssa(deployment, None, deploy({"replicas": 1, "paused": True}), "one")
    got = ssa(deployment, live, deploy({"replicas": 2}), "two", force=True)
    assert got["spec"] == {"replicas": 2, "paused": True}
    assert fields_of(got, "one") == {"f:spec": {"f:paused": {}}}
    assert fields_of(got, "two") == {"f:spec": {"f:replicas": {}}}


def test_same_value_is_shared_and_survives_one_owner_leaving(deployment: Schema) -> None:
    live = ssa(deployment, None, deploy({"replicas": 1}), "one")
    live = ssa(deployment, live, deploy({"replicas": 1}), "two")
    got = ssa(deployment, live, deploy({"paused": True}), "one")
    assert got["spec"] == {"replicas": 1, "paused": True}
    got = ssa(deployment, got, deploy({"paused": False}), "two", force=True)
    assert got["spec"] == {"paused": False}


def test_field_no_longer_applied_is_removed(deployment: Schema) -> None:
    live = ssa(deployment, None, deploy({"replicas": 1, **CONTAINERS}, labels={"a": "1", "b": "2"}))
    got = ssa(deployment, live, deploy(CONTAINERS, labels={"a": "1"}))
    assert "replicas" not in got["spec"]
    assert got["metadata"]["labels"] == {"a": "1"}


def test_list_element_no_longer_applied_is_removed_others_stay(deployment: Schema) -> None:
    both = {"template": {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}}}
    only_b = {"template": {"spec": {"containers": [{"name": "b", "image": "1"}]}}}
    live = ssa(deployment, None, deploy(both), "one")
    live = ssa(
        deployment,
        live,
        deploy({"template": {"spec": {"containers": [{"name": "c", "image": "1"}]}}}),
        "two",
    )
    got = ssa(deployment, live, deploy(only_b), "one")
    assert [c["name"] for c in got["spec"]["template"]["spec"]["containers"]] == ["b", "c"]


def test_field_that_an_updater_changed_is_not_removed(deployment: Schema) -> None:
    live = ssa(deployment, None, deploy({"replicas": 1, "paused": True}), "one")
    scaled = write(deployment, live, deploy({"replicas": 5, "paused": True}) | {}, "scaler")
    scaled["metadata"]["managedFields"] = scaled["metadata"]["managedFields"]
    got = ssa(deployment, scaled, deploy({"paused": True}), "one")
    assert got["spec"]["replicas"] == 5


def test_set_and_atomic_lists(deployment: Schema) -> None:
    one = deploy(finalizers=["a/1"])
    live = ssa(deployment, None, one, "one")
    live = ssa(deployment, live, deploy(finalizers=["b/2"]), "two")
    assert live["metadata"]["finalizers"] == ["a/1", "b/2"]
    assert fields_of(live, "two") == {"f:metadata": {"f:finalizers": {'v:"b/2"': {}}}}
    got = ssa(deployment, live, deploy(), "one")
    assert got["metadata"]["finalizers"] == ["b/2"]

    live = ssa(deployment, None, deploy({"template": {"spec": {"tolerations": [{"key": "a"}]}}}), "one")
    with pytest.raises(Conflict, match="tolerations"):
        ssa(deployment, live, deploy({"template": {"spec": {"tolerations": [{"key": "b"}]}}}), "two")


def test_duplicate_keys_in_a_configuration_are_refused(deployment: Schema) -> None:
    spec = {"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}
    with pytest.raises(PatchError) as caught:
        ssa(deployment, None, deploy(spec))
    assert str(caught.value) == '.spec.template.spec.containers: duplicate entries for key [name="a"]'
    with pytest.raises(PatchError, match="omits all key fields"):
        ssa(deployment, None, deploy({"template": {"spec": {"containers": [{"image": "a"}]}}}))


def test_configuration_with_managed_fields_is_refused(deployment: Schema) -> None:
    with pytest.raises(BadRequest, match=r"metadata\.managedFields must be nil"):
        ssa(deployment, None, deploy(managedFields=[{"manager": "x"}]))


def test_untracked_object_gets_an_owner_of_all_before_the_first_apply(deployment: Schema) -> None:
    live = deploy({"replicas": 1, "paused": True})
    with pytest.raises(Conflict, match="before-first-apply"):
        ssa(deployment, live, deploy({"replicas": 2}))
    got = ssa(deployment, live, deploy({"replicas": 1}))
    assert got["spec"]["paused"] is True
    assert fields_of(got, "before-first-apply") == {"f:spec": {"f:replicas": {}, "f:paused": {}}}


def test_custom_resource_without_schema_is_walked_by_what_it_holds() -> None:
    config = {"apiVersion": "a/v1", "kind": "C", "metadata": {"name": "c"}}
    live = ssa(None, None, {**config, "spec": {"a": {"b": 1}, "l": [1, 2]}}, "one")
    assert fields_of(live, "one") == {"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:l": {}}}
    live = ssa(None, live, {**config, "spec": {"a": {"c": 2}}}, "two")
    assert live["spec"] == {"a": {"b": 1, "c": 2}, "l": [1, 2]}
    got = ssa(None, live, {**config, "spec": {"l": [1, 2]}}, "one")
    assert got["spec"] == {"a": {"c": 2}, "l": [1, 2]}


def test_update_owns_what_it_changes_and_takes_it_from_others(deployment: Schema) -> None:
    live = write(deployment, None, deploy({"replicas": 1, "paused": False}, labels={"a": "b"}), "create")
    assert fields_of(live, "create") == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {"f:replicas": {}, "f:paused": {}},
    }
    got = write(deployment, live, deploy({"replicas": 2}, labels={"a": "b"}), "edit", now=60)
    assert fields_of(got, "create") == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    assert fields_of(got, "edit") == {"f:spec": {"f:replicas": {}}}


def test_update_without_a_change_keeps_the_time(deployment: Schema) -> None:
    live = write(deployment, None, deploy({"replicas": 1}), "m", now=0)
    again = write(deployment, live, deploy({"replicas": 1}), "m", now=100)
    assert again["metadata"]["managedFields"] == live["metadata"]["managedFields"]
    more = write(deployment, live, deploy({"replicas": 2}), "m", now=100)
    assert more["metadata"]["managedFields"][0]["time"] == "1970-01-01T00:01:40Z"


def test_status_is_an_entry_of_its_own(deployment: Schema) -> None:
    live = write(deployment, None, deploy({"replicas": 1}), "m")
    new = {**live, "status": {"replicas": 1, "conditions": [{"type": "Ready", "status": "True"}]}}
    got = write(deployment, live, new, "m", sub="status")
    entries = got["metadata"]["managedFields"]
    assert [entry.get("subresource", "") for entry in entries] == ["", "status"]
    assert entries[1]["fieldsV1"] == {
        "f:status": {
            "f:replicas": {},
            "f:conditions": {".": {}, 'k:{"type":"Ready"}': {".": {}, "f:type": {}, "f:status": {}}},
        }
    }


def test_untracked_object_stays_untracked_through_updates(deployment: Schema) -> None:
    got = write(deployment, deploy({"replicas": 1}), deploy({"replicas": 2}), "m")
    assert "managedFields" not in got["metadata"]


def test_one_empty_entry_resets_ownership(deployment: Schema) -> None:
    live = write(deployment, None, deploy({"replicas": 1}), "m")
    got = write(deployment, live, deploy({"replicas": 1}, managedFields=[{}]), "m")
    assert "managedFields" not in got["metadata"]


def test_many_updaters_are_capped(deployment: Schema) -> None:
    live = write(deployment, None, deploy({"replicas": 0}), "m0")
    for number in range(1, 15):
        labels = dict(live["metadata"].get("labels") or {})
        labels[f"l{number}"] = "x"
        live = write(deployment, live, deploy({"replicas": 0}, labels=labels), f"m{number}", now=number)
    entries = live["metadata"]["managedFields"]
    assert len(entries) == managed.MAX_UPDATE_MANAGERS
    assert any(entry["manager"] == "ancient-changes" for entry in entries)


def test_brought_entries_are_taken_on_the_main_resource_only(deployment: Schema) -> None:
    live = write(deployment, None, deploy({"replicas": 1}), "m")
    brought = [{**live["metadata"]["managedFields"][0], "manager": "renamed"}]
    got = write(deployment, live, deploy({"replicas": 1}, managedFields=brought), "x")
    assert [e["manager"] for e in got["metadata"]["managedFields"]] == ["renamed"]
    got = write(deployment, live, deploy({"replicas": 1}, managedFields=brought), "x", sub="status")
    assert [e["manager"] for e in got["metadata"]["managedFields"]] == ["m"]


def test_merged_lists_keep_the_order_of_both(deployment: Schema) -> None:
    env = deployment.fields["spec"].fields["template"].fields["spec"].fields["containers"].items
    assert env is not None
    schema = env.fields["env"]

    def order(live: str, config: str) -> str:
        merged = merging.merge([{"name": n} for n in live], [{"name": n} for n in config], schema)
        return "".join(item["name"] for item in merged)

    assert order("abc", "abc") == "abc"
    assert order("abc", "cb") == "acb"
    assert order("ab", "cab") == "cab"
    assert order("axb", "ab") == "axb"
    assert order("", "ab") == "ab"
    assert order("abcd", "dXa") in ("bcdXa", "dXabc")


def test_set_operations_keep_the_canonical_form() -> None:
    a = {"f:x": {".": {}, "f:y": {}}, "f:z": {}}
    b = {"f:x": {}, "f:q": {}}
    assert sets.union(a, b) == {"f:x": {".": {}, "f:y": {}}, "f:z": {}, "f:q": {}}
    assert sets.difference(a, b) == {"f:x": {"f:y": {}}, "f:z": {}}
    assert sets.difference(a, {"f:x": {"f:y": {}}}) == {"f:x": {}, "f:z": {}}
    assert sets.intersection(a, b) == {"f:x": {}}
    assert sets.difference(a, a) == {}
    assert [sets.show(p) for p in sets.paths(a)] == [".x", ".z", ".x.y"]


@pytest.mark.parametrize(("place", "good"), [("1", True), ("-1", True), ("\u00b2", False), ("--1", False)])
def test_a_place_in_a_list_is_a_number_that_can_be_ordered(place: str, good: bool) -> None:
    assert sets.is_well_formed({"f:a": {f"i:{place}": {}}}) is good
