"""RoleBinding and ClusterRoleBinding: who gets a role."""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import ATOMIC, Proto, atomic
from api.builtin import builtin
from api.columns import AGE, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause
from machinery.gvk import CLUSTERROLEBINDINGS, ROLEBINDINGS


@atomic
class RoleRef(TypedDict, total=False):
    """The role that is granted."""

    kind: Required[Annotated[str, Proto(2), "Role or ClusterRole."]]
    apiGroup: Annotated[str, Proto(1), "rbac.authorization.k8s.io."]
    name: Required[Annotated[str, Proto(3), "Its name."]]


@atomic
class Subject(TypedDict, total=False):
    """A user, a group or a service account."""

    kind: Required[Annotated[str, Proto(1), "User, Group or ServiceAccount."]]
    apiGroup: Annotated[
        str, Proto(2), "rbac.authorization.k8s.io for users and groups, empty for service accounts."
    ]
    name: Required[Annotated[str, Proto(3), "The name."]]
    namespace: Annotated[str, Proto(4), "The namespace of a service account."]


class RoleBinding(TypedDict, total=False):
    """Grants a role within one namespace."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    subjects: Annotated[list[Subject], Proto(2), ATOMIC, "Who gets the role."]
    roleRef: Required[Annotated[RoleRef, Proto(3), "The role; cannot be changed."]]


class ClusterRoleBinding(TypedDict, total=False):
    """Grants a cluster role everywhere."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    subjects: Annotated[list[Subject], Proto(2), ATOMIC, "Who gets the role."]
    roleRef: Required[Annotated[RoleRef, Proto(3), "The role; cannot be changed."]]


Obj = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"


class RoleBindingStrategy(Strategy):
    name_rule = "path"
    has_generation = False
    allow_create_on_update = True
    role_kinds: tuple[str, ...] = ("Role", "ClusterRole")
    namespaced = True

    def default(self, obj: Obj) -> None:
        if not obj.setdefault("roleRef", {}).get("apiGroup"):
            obj["roleRef"]["apiGroup"] = _GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = _GROUP

    def validate(self, obj: Obj) -> Sequence[Cause]:
        errors = Errors()
        ref = obj.get("roleRef") or {}
        if ref.get("apiGroup") != _GROUP:
            errors.not_supported("roleRef.apiGroup", ref.get("apiGroup", ""), (_GROUP,))
        if ref.get("kind") not in self.role_kinds:
            errors.not_supported("roleRef.kind", ref.get("kind", ""), self.role_kinds)
        name = ref.get("name", "")
        if not name:
            errors.required("roleRef.name")
        else:
            errors.invalid_each("roleRef.name", name, names.path_segment(name))
        for index, subject in enumerate(obj.get("subjects") or ()):
            self._validate_subject(errors, subject, f"subjects[{index}]")
        return errors.causes

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        errors = Errors()
        errors.causes += self.validate(obj)
        if obj.get("roleRef") != old.get("roleRef"):
            errors.invalid("roleRef", obj.get("roleRef"), "cannot change roleRef")
        return errors.causes

    def _validate_subject(self, errors: Errors, subject: Obj, path: str) -> None:
        name = subject.get("name", "")
        if not name:
            errors.required(f"{path}.name")
        match subject.get("kind"):
            case "ServiceAccount":
                if name:
                    errors.invalid_each(f"{path}.name", name, names.dns1123_subdomain(name))
                if subject.get("apiGroup"):
                    errors.not_supported(f"{path}.apiGroup", subject["apiGroup"], ("",))
                if not self.namespaced and not subject.get("namespace"):
                    errors.required(f"{path}.namespace")
            case "User" | "Group":
                if subject.get("apiGroup") != _GROUP:
                    errors.not_supported(f"{path}.apiGroup", subject.get("apiGroup", ""), (_GROUP,))
            case other:
                errors.not_supported(f"{path}.kind", other or "", ("ServiceAccount", "User", "Group"))


class ClusterRoleBindingStrategy(RoleBindingStrategy):
    role_kinds = ("ClusterRole",)
    namespaced = False


def _role(obj: Obj, now: float) -> str:
    ref = obj.get("roleRef") or {}
    return f"{ref.get('kind', '')}/{ref.get('name', '')}"


def _subjects(kind: str) -> Any:
    def cell(obj: Obj, now: float) -> str:
        found = [s for s in obj.get("subjects") or () if s.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{s.get('namespace', '')}/{s.get('name', '')}" for s in found)
        return ", ".join(s.get("name", "") for s in found)

    return cell


_COLUMNS = (
    NAME,
    Column("Role", _role, description="The role that is granted."),
    AGE,
    Column("Users", _subjects("User"), priority=1, description="Users it is granted to."),
    Column("Groups", _subjects("Group"), priority=1, description="Groups it is granted to."),
    Column(
        "ServiceAccounts",
        _subjects("ServiceAccount"),
        priority=1,
        description="Service accounts it is granted to.",
    ),
)

ROLEBINDING = builtin(ROLEBINDINGS, RoleBinding, strategy=RoleBindingStrategy(), columns=_COLUMNS)
CLUSTERROLEBINDING = builtin(
    CLUSTERROLEBINDINGS, ClusterRoleBinding, strategy=ClusterRoleBindingStrategy(), columns=_COLUMNS
)
