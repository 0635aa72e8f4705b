"""Laws of the patches, over random objects of a small kind."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from machinery.errors import Conflict
from machinery.objects import deep_copy
from machinery.patch import json_patch, merge, strategic, strategic_diff
from machinery.patch.apply import apply, comparing, merging, sets, typed, update_managed_fields
from machinery.schema import Schema

Obj = dict[str, Any]
S = Schema


def obj(**fields: Schema) -> Schema:
    return S("object", fields=fields)


def keyed(items: Schema, key: str) -> Schema:
    return S(
        "list",
        items=items,
        list_type="map",
        list_map_keys=(key,),
        merge_key=key,
        patch_strategy=frozenset({"merge"}),
    )


CONTAINER = obj(
    name=S("string"), image=S("string"), args=S("list", items=S("string")), env=S("map", values=S("string"))
)
SCHEMA = obj(
    metadata=obj(
        name=S("string"),
        labels=S("map", values=S("string")),
        finalizers=S("list", items=S("string"), list_type="set", patch_strategy=frozenset({"merge"})),
    ),
    spec=obj(
        replicas=S("integer"),
        containers=keyed(CONTAINER, "name"),
        tolerations=S("list", items=obj(key=S("string"))),
        inner=obj(a=S("integer"), b=S("integer")),
    ),
)
words = st.sampled_from(["a", "b", "c", "d"])
labels = st.dictionaries(words, words, min_size=1, max_size=3)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": words},
        optional={"image": words, "args": st.lists(words, max_size=2), "env": labels},
    ),
    unique_by=lambda item: item["name"],
    min_size=1,
    max_size=4,
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 3),
        "containers": containers,
        "tolerations": st.lists(st.fixed_dictionaries({"key": words}), max_size=2),
        "inner": st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), min_size=1),
    },
)
objects = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": st.just("x")},
            optional={
                "labels": labels,
                "finalizers": st.lists(words, unique=True, min_size=1, max_size=3),
            },
        )
    },
    optional={"spec": specs},
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-5, 5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)
maps = st.dictionaries(words, json_values, max_size=4)
K: Any = {"api_version": "v1", "now": 0.0, "schema": SCHEMA}


@given(maps, maps)
def test_merge_patch_of_the_difference_gives_the_other(old: Obj, new: Obj) -> None:
    patch = merge.diff(old, new)
    assert json_patch.json_equal(merge.apply(old, patch), new)
    assert merge.diff(new, new) == {}


@given(maps, maps)
def test_merge_patch_twice_is_once(target: Obj, patch: Obj) -> None:
    before = deep_copy(target)
    once = merge.apply(target, patch)
    assert merge.apply(once, patch) == once
    assert target == before


@given(maps, words, json_values)
def test_json_patch_add_then_remove_restores(target: Obj, key: str, value: Any) -> None:
    added = json_patch.apply(target, [{"op": "add", "path": f"/{key}", "value": value}])
    assert json_patch.json_equal(added[key], value)
    removed = json_patch.apply(added, [{"op": "remove", "path": f"/{key}"}])
    assert removed == {k: v for k, v in target.items() if k != key}


def normal(value: Obj) -> Obj:
    """Without the order in lists whose order a patch need not keep."""
    out = deep_copy(value)
    spec = out.get("spec", {})
    if "containers" in spec:
        spec["containers"].sort(key=lambda item: item["name"])
    if "finalizers" in out["metadata"]:
        out["metadata"]["finalizers"].sort()
    return out


@given(objects, objects)
def test_strategic_patch_of_the_difference_gives_the_other(old: Obj, new: Obj) -> None:
    patch = strategic_diff.two_way(old, new, SCHEMA)
    got = strategic.apply(old, patch, SCHEMA)
    assert normal(got) == normal(new)
    again = strategic.apply(got, patch, SCHEMA)
    assert normal(again) == normal(got)
    again = strategic_diff.two_way(
        new, new, SCHEMA
    )  # may tell an order, as upstream does; it changes nothing
    assert normal(strategic.apply(new, again, SCHEMA)) == normal(new)


@given(objects, objects, objects)
def test_three_way_patch_converges_and_keeps_foreign_labels(a: Obj, b: Obj, c: Obj) -> None:
    patch = strategic_diff.three_way(a, b, c, SCHEMA)
    got = strategic.apply(c, patch, SCHEMA)
    for key, value in b["metadata"].get("labels", {}).items():
        assert got["metadata"]["labels"][key] == value
    for key, value in c["metadata"].get("labels", {}).items():
        ours = a["metadata"].get("labels", {}), b["metadata"].get("labels", {})
        if "labels" in b["metadata"] and key not in ours[0] and key not in ours[1]:
            assert got["metadata"]["labels"][key] == value
    again = strategic_diff.three_way(b, b, got, SCHEMA)
    assert normal(strategic.apply(got, again, SCHEMA)) == normal(got)


@given(objects)
def test_apply_twice_is_once_and_applying_nothing_removes_all(config: Obj) -> None:
    first = apply(None, config, manager="m", **K)
    assert apply(first, config, manager="m", **K) == first
    emptied = apply(first, {"metadata": {"name": "x"}}, manager="m", **K)
    assert "managedFields" not in emptied["metadata"]
    left = comparing.compare({}, {k: v for k, v in emptied.items() if k != "metadata"}, SCHEMA).added
    assert left == {} or set(emptied["spec"]) <= {"tolerations"} or emptied["spec"] == {}


@settings(max_examples=200)
@given(objects, objects)
def test_forced_apply_gives_the_applier_its_values(one: Obj, two: Obj) -> None:
    live = apply(None, one, manager="one", **K)
    try:
        got = apply(live, two, manager="two", **K)
    except Conflict as conflict:
        assert conflict.causes
        got = apply(live, two, manager="two", force=True, **K)
    wanted = typed.field_set({k: v for k, v in two.items() if k == "spec"}, SCHEMA)
    merged = merging.merge(got.get("spec", {}), two.get("spec", {}), SCHEMA.fields["spec"])
    assert merged == got.get("spec", {})
    entry = [e for e in got["metadata"].get("managedFields", []) if e["manager"] == "two"]
    owned = entry[0]["fieldsV1"] if entry else {}
    assert sets.difference(wanted, owned) == {}
    assert apply(got, two, manager="two", **K) == got


@settings(max_examples=200)
@given(objects, objects, st.sampled_from(["m", "n"]))
def test_update_tracks_every_change_and_nobody_owns_what_is_gone(old: Obj, new: Obj, manager: str) -> None:
    live = deep_copy(old)
    update_managed_fields(None, live, manager="m", **K)
    written = deep_copy(new)
    update_managed_fields(live, written, manager=manager, **K)
    if "managedFields" not in live["metadata"]:
        return
    present = comparing.compare({}, dict(new), SCHEMA).added
    entries = written["metadata"].get("managedFields", [])
    owned: Obj = {}
    for entry in entries:
        assert sets.difference(entry["fieldsV1"], present) == {}
        owned = sets.union(owned, entry["fieldsV1"])
    change = comparing.compare(old, new, SCHEMA)
    changed = sets.union(change.added, change.modified)
    mine = [e["fieldsV1"] for e in entries if e["manager"] == manager]
    assert sets.difference(changed, mine[0] if mine else {}) == {}


field_sets = st.builds(lambda value: comparing.compare({}, value, None).added, maps)


@given(field_sets, field_sets)
def test_set_algebra_holds(a: Obj, b: Obj) -> None:
    def members(fields: Obj) -> set[tuple[str, ...]]:
        return set(sets.paths(fields))

    assert members(sets.union(a, b)) == members(a) | members(b)
    assert members(sets.difference(a, b)) == members(a) - members(b)
    assert members(sets.intersection(a, b)) == members(a) & members(b)
    assert sets.union(sets.difference(a, b), sets.intersection(a, b)) == sets.union(a, {})


@settings(max_examples=200)
@given(maps, st.lists(st.tuples(words, words), max_size=3))
def test_sets_of_partial_paths_keep_the_canonical_form(value: Obj, extra: list[tuple[str, str]]) -> None:
    a = typed.field_set(value, None)
    b: Obj = {}
    for first, second in extra:
        b = sets.union(b, {"f:" + first: {"f:" + second: {}}})
    for result in (sets.union(a, b), sets.difference(a, b), sets.intersection(a, b), sets.difference(b, a)):
        check_canonical(result)


def check_canonical(node: Obj) -> None:
    for key, child in node.items():
        if key == ".":
            assert child == {}
        else:
            assert list(child) != ["."]
            check_canonical(child)
