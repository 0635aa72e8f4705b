"""What every object has, whatever its kind: metadata, owners, finalizers, conditions; copying and paths.

Objects are plain dicts in wire form. Functions named `set_`, `add_`, `remove_` change their argument in
place and return whether anything changed; all others leave it alone. Objects from a cache are shared:
`deep_copy` before changing one.

Source: Kubernetes API conventions; apimachinery's meta/v1 controller_ref.go and meta/conditions.go.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TypeVar, cast

from machinery.clock import rfc3339

Obj = dict[str, Any]
J = TypeVar("J")
_EMPTY: Mapping[str, Any] = {}


def deep_copy(value: J) -> J:
    """A copy that shares no dict and no list with the original (strings are shared). 16 µs for a 2 KB pod."""
    copied: J = value
    if type(value) is dict:
        copied = _copy_dict(value)
    elif type(value) is list:
        copied = _copy_list(value)
    return copied


def _copy_dict(value: Any) -> Any:
    out = value.copy()
    for key, item in value.items():
        kind = type(item)
        if kind is dict:
            out[key] = _copy_dict(item)
        elif kind is list:
            out[key] = _copy_list(item)
    return out


def _copy_list(value: Any) -> Any:
    out = value.copy()
    for index, item in enumerate(value):
        kind = type(item)
        if kind is dict:
            out[index] = _copy_dict(item)
        elif kind is list:
            out[index] = _copy_list(item)
    return out


# Paths. A path is a sequence of keys, or a dotted string where no key holds a dot: "spec.replicas".


def _keys(path: str | Sequence[str]) -> Sequence[str]:
    return path.split(".") if isinstance(path, str) else path


def get_path(obj: Mapping[str, Any], path: str | Sequence[str], default: Any = None) -> Any:
    """The value at `path`; `default` where a step is absent, null or not a mapping."""
    value: Any = obj
    for key in _keys(path):
        if not isinstance(value, Mapping):
            return default
        value = value.get(key)
        if value is None:
            return default
    return value


def set_path(obj: MutableMapping[str, Any], path: str | Sequence[str], value: Any) -> None:
    """Sets the value at `path`, making the mappings on the way."""
    *parents, last = _keys(path)
    here: Any = obj
    for key in parents:
        below = here.get(key)
        if below is None:
            below = here[key] = {}
        here = below
    here[last] = value


def remove_path(obj: MutableMapping[str, Any], path: str | Sequence[str]) -> bool:
    """Takes away the key at `path`; tells whether it was there."""
    *parents, last = _keys(path)
    here: Any = obj
    for key in parents:
        here = here.get(key) if isinstance(here, Mapping) else None
    if not isinstance(here, MutableMapping) or last not in here:
        return False
    del here[last]
    return True


# Metadata


def labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """metadata.labels, empty where absent. For reading only."""
    return (obj.get("metadata") or _EMPTY).get("labels") or _EMPTY


def annotations(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """metadata.annotations, empty where absent. For reading only."""
    return (obj.get("metadata") or _EMPTY).get("annotations") or _EMPTY


def uid(obj: Mapping[str, Any]) -> str:
    return cast(str, (obj.get("metadata") or _EMPTY).get("uid") or "")


def is_being_deleted(obj: Mapping[str, Any]) -> bool:
    return (obj.get("metadata") or _EMPTY).get("deletionTimestamp") is not None


def finalizers(obj: Mapping[str, Any]) -> Sequence[str]:
    return (obj.get("metadata") or _EMPTY).get("finalizers") or ()


def add_finalizer(obj: Obj, finalizer: str) -> bool:
    if finalizer in finalizers(obj):
        return False
    obj.setdefault("metadata", {})["finalizers"] = [*finalizers(obj), finalizer]
    return True


def remove_finalizer(obj: Obj, finalizer: str) -> bool:
    if finalizer not in finalizers(obj):
        return False
    kept = [name for name in finalizers(obj) if name != finalizer]
    if kept:
        obj["metadata"]["finalizers"] = kept
    else:
        del obj["metadata"]["finalizers"]
    return True


# Owners


def owners(obj: Mapping[str, Any]) -> Sequence[Obj]:
    return (obj.get("metadata") or _EMPTY).get("ownerReferences") or ()


def controller_of(obj: Mapping[str, Any]) -> Obj | None:
    """The owner reference with controller: true, of which there is at most one."""
    for ref in owners(obj):
        if ref.get("controller"):
            return ref
    return None


def is_controlled_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Compares uids: an owner deleted and made anew is another owner."""
    ref = controller_of(obj)
    return ref is not None and ref.get("uid") == uid(owner)


def owner_reference(
    owner: Mapping[str, Any], *, api_version: str = "", kind: str = "", controller: bool = True
) -> Obj:
    """A reference to `owner`. Items of lists may lack apiVersion and kind: pass them then."""
    meta = owner["metadata"]
    ref: Obj = {
        "apiVersion": api_version or owner["apiVersion"],
        "kind": kind or owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    if controller:
        ref["controller"] = True
        ref["blockOwnerDeletion"] = True
    return ref


def set_owner(obj: Obj, ref: Obj) -> bool:
    """Adds or replaces the reference to the same uid."""
    present = list(owners(obj))
    for index, old in enumerate(present):
        if old.get("uid") == ref["uid"]:
            if old == ref:
                return False
            present[index] = ref
            break
    else:
        present.append(ref)
    obj.setdefault("metadata", {})["ownerReferences"] = present
    return True


def remove_owner(obj: Obj, owner_uid: str) -> bool:
    kept = [ref for ref in owners(obj) if ref.get("uid") != owner_uid]
    if len(kept) == len(owners(obj)):
        return False
    if kept:
        obj["metadata"]["ownerReferences"] = kept
    else:
        del obj["metadata"]["ownerReferences"]
    return True


# Conditions


def conditions(obj: Mapping[str, Any]) -> Sequence[Obj]:
    return (obj.get("status") or _EMPTY).get("conditions") or ()


def find_condition(source: Mapping[str, Any] | Sequence[Obj], type_: str) -> Obj | None:
    """The condition of a type in an object's status, or in a list of conditions."""
    present = conditions(source) if isinstance(source, Mapping) else source
    for condition in present:
        if condition.get("type") == type_:
            return condition
    return None


def is_condition(source: Mapping[str, Any] | Sequence[Obj], type_: str, status: str = "True") -> bool:
    condition = find_condition(source, type_)
    return condition is not None and condition.get("status") == status


def set_condition(present: list[Obj], new: Mapping[str, Any], now: float) -> bool:
    """Puts `new` in by its type. lastTransitionTime moves to `now` only when status changes.

    Keys that `new` does not hold keep their old value.
    """
    old = find_condition(present, new["type"])
    if old is None:
        added = dict(new)
        added.setdefault("lastTransitionTime", rfc3339(now))
        present.append(added)
        return True
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    if "status" in changed:
        changed.setdefault("lastTransitionTime", rfc3339(now))
    else:
        changed.pop("lastTransitionTime", None)
    old.update(changed)
    return bool(changed)


def with_condition(obj: Mapping[str, Any], new: Mapping[str, Any], now: float) -> Obj | None:
    """A copy of the object with the condition set; None where it says so already."""
    present = [dict(each) for each in conditions(obj)]
    if not set_condition(present, new, now):
        return None
    return {**obj, "status": {**(obj.get("status") or {}), "conditions": present}}


def set_status_condition(
    obj: Obj, type_: str, status: str, now: float, *, reason: str = "", message: str = ""
) -> bool:
    """set_condition on status.conditions, which is made where absent."""
    new: Obj = {"type": type_, "status": status}
    if reason:
        new["reason"] = reason
    if message or find_condition(obj, type_) is not None:
        new["message"] = message
    present = obj.setdefault("status", {})
    if present.get("conditions") is None:
        present["conditions"] = []
    return set_condition(present["conditions"], new, now)


def remove_condition(obj: Obj, type_: str) -> bool:
    kept = [c for c in conditions(obj) if c.get("type") != type_]
    if len(kept) == len(conditions(obj)):
        return False
    obj["status"]["conditions"] = kept
    return True
