"""PodTopologyLabels: a pod that is bound learns the zone and region of its node, as labels of its own.

Its containers can then read them through the downward API. Source: KEP-4742.
"""

from __future__ import annotations

from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.admission.lookup import is_resource
from apiserver.storage.store import Store

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(Plugin):
    name = "PodTopologyLabels"

    def __init__(self, nodes: Store) -> None:
        self._nodes = nodes

    def handles(self, request: AdmissionRequest) -> bool:
        if request.operation != "CREATE":
            return False
        return (is_resource(request, "", "pods") and request.subresource == "binding") or is_resource(
            request, "", "bindings"
        )

    async def admit(self, request: AdmissionRequest) -> bool:
        binding = request.obj or {}
        target = binding.get("target") or {}
        if target.get("kind") not in (None, "", "Node") or not target.get("name"):
            return False
        node = await self._nodes.get("", target["name"])
        found = (
            {name: node.labels[name] for name in LABELS if name in node.labels} if node is not None else {}
        )
        if found:
            binding.setdefault("metadata", {}).setdefault("labels", {}).update(found)
        return bool(found)
