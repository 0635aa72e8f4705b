"""NamespaceLifecycle: nothing is created in a namespace that is absent or going, and some never go."""

from __future__ import annotations

from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Lookup, Plugin, forbidden, is_resource
from machinery.errors import Cause, not_found

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
# Answered, not stored: they may be asked about a namespace that is gone.
_REVIEWS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


class NamespaceLifecycle(Plugin):
    name = "NamespaceLifecycle"

    def __init__(self, namespaces: Lookup) -> None:
        self._namespaces = namespaces

    def handles(self, request: AdmissionRequest) -> bool:
        if request.operation == "DELETE":
            return is_resource(request, "", "namespaces") and not request.subresource
        return (
            request.operation == "CREATE"
            and request.resource.namespaced
            and request.resource.gvr.group not in _REVIEWS
        )

    async def admit(self, request: AdmissionRequest) -> bool:
        if request.operation == "DELETE":
            if request.name in IMMORTAL:
                raise forbidden(request, "this namespace may not be deleted")
            return False
        name = request.namespace
        namespace = await self._namespaces("", name)
        if namespace is None:
            raise not_found("", "namespaces", name)
        terminating = (namespace.get("status") or {}).get("phase") == "Terminating"
        if terminating or namespace["metadata"].get("deletionTimestamp"):
            raise forbidden(
                request,
                f"unable to create new content in namespace {name} because it is being terminated",
                (
                    Cause(
                        "NamespaceTerminating", f"namespace {name} is being terminated", "metadata.namespace"
                    ),
                ),
            )
        return False
