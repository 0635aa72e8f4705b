"""CSINode: the CSI drivers of a node; its name is the node's."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME
from api.resource import Column, Strategy
from api.validation.errors import Errors
from api.validation.parameters import validate_driver_name
from machinery import names
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]

_MAX_NODE_ID = 256


class CSINodeStrategy(Strategy):
    has_generation = False
    allow_unconditional_update = False

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        seen: set[str] = set()
        for index, driver in enumerate(obj["spec"].get("drivers") or ()):
            at, name = f"spec.drivers[{index}]", driver.get("name", "")
            _validate_driver(errors, driver, at)
            if name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)
            _validate_keys(errors, driver, at)
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        after = {each.get("name"): each for each in obj["spec"].get("drivers") or ()}
        for before in old["spec"].get("drivers") or ():
            driver = after.get(before.get("name"))
            if driver is not None and _fixed(driver) != _fixed(before):
                errors.invalid("spec.drivers", _fixed(driver), "field is immutable")
        return errors.causes


def _fixed(driver: Obj) -> Obj:
    """How many volumes a node can take may change; the rest of a driver may not."""
    return {key: value for key, value in driver.items() if key != "allocatable"}


def _validate_driver(errors: Errors, driver: Obj, path: str) -> None:
    validate_driver_name(errors, driver.get("name", ""), f"{path}.name")
    node = driver.get("nodeID", "")
    if not node:
        errors.required(f"{path}.nodeID")
    elif len(node) > _MAX_NODE_ID:
        errors.invalid(f"{path}.nodeID", node, f"must be {_MAX_NODE_ID} characters or less")
    count = (driver.get("allocatable") or {}).get("count")
    errors.non_negative(f"{path}.allocatable.count", count)


def _validate_keys(errors: Errors, driver: Obj, path: str) -> None:
    """Upstream names the driver, not the key."""
    keys = driver.get("topologyKeys") or []
    for index, key in enumerate(keys):
        if not key:
            errors.required(path)
        if key in keys[:index]:
            errors.duplicate(path, key)
        errors.invalid_each(path, key, names.qualified_name(key))


CSINODE = builtin(
    GVR("storage.k8s.io", "v1", "csinodes", namespaced=False, kind="CSINode"),
    "api.storage.v1.csinode_types:CSINode",
    strategy=CSINodeStrategy(),
    columns=(
        NAME,
        Column(
            "Drivers",
            lambda obj, now: len(obj["spec"].get("drivers") or ()),
            type="integer",
            description="How many drivers there are.",
        ),
        AGE,
    ),
    returns_deleted=True,
)
