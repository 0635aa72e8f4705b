"""DefaultStorageClass and DefaultIngressClass: what says nothing of its class gets the one marked as default.

Of several defaults the newest is taken, then the first by name. Source: Kubernetes "Storage Classes", "Ingress".
"""

from __future__ import annotations

from collections.abc import Sequence

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.collection import Collection
from apiserver.admission.lookup import Plugin, is_resource

_STORAGE_MARKS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_INGRESS_MARKS = ("ingressclass.kubernetes.io/is-default-class",)


class _DefaultClass(Plugin):
    """`field` of a new object's spec is set, unless it is there (be it empty) or `annotation` is."""

    def __init__(
        self, classes: Collection, group: str, plural: str, field: str, annotation: str, marks: Sequence[str]
    ) -> None:
        self._classes = classes
        self._group = group
        self._plural = plural
        self._field = field
        self._annotation = annotation
        self._marks = marks

    def handles(self, request: AdmissionRequest) -> bool:
        return (
            request.operation == "CREATE"
            and is_resource(request, self._group, self._plural)
            and not request.subresource
        )

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        if obj is None or self._annotation in (obj["metadata"].get("annotations") or {}):
            return
        spec = obj.setdefault("spec", {})
        if spec.get(self._field) is None:
            chosen = newest_marked(await self._classes.all(), self._marks)
            if chosen is not None:
                spec[self._field] = chosen["metadata"]["name"]


class DefaultStorageClass(_DefaultClass):
    name = "DefaultStorageClass"

    def __init__(self, classes: Collection) -> None:
        annotation = "volume.beta.kubernetes.io/storage-class"
        super().__init__(
            classes, "", "persistentvolumeclaims", "storageClassName", annotation, _STORAGE_MARKS
        )


class DefaultIngressClass(_DefaultClass):
    name = "DefaultIngressClass"

    def __init__(self, classes: Collection) -> None:
        annotation = "kubernetes.io/ingress.class"
        super().__init__(
            classes, "networking.k8s.io", "ingresses", "ingressClassName", annotation, _INGRESS_MARKS
        )


def newest_marked(classes: Sequence[Obj], marks: Sequence[str]) -> Obj | None:
    marked = [
        each
        for each in classes
        if any((each["metadata"].get("annotations") or {}).get(mark) == "true" for mark in marks)
    ]
    newest = max((each["metadata"].get("creationTimestamp", "") for each in marked), default="")
    return min(
        (each for each in marked if each["metadata"].get("creationTimestamp", "") == newest),
        key=lambda each: str(each["metadata"]["name"]),
        default=None,
    )
