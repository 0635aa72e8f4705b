"""DefaultBinder: tells the API server where the pod goes, by POST to its binding subresource."""

from __future__ import annotations

from client.client import Client
from machinery.gvk import PODS
from scheduler.framework.plugin import NO_EVENT, ClusterEvent, CycleState
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.status import SUCCESS, Status


class DefaultBinder:
    name = "DefaultBinder"

    def __init__(self, client: Client) -> None:
        self._client = client

    def events(self) -> ClusterEvent:
        return NO_EVENT

    async def bind(self, state: CycleState, info: PodInfo, node_name: str) -> Status:
        """Raises ApiError: NotFound when the pod is gone, Conflict when another scheduler was faster."""
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": info.key.name, "namespace": info.key.namespace, "uid": info.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node_name},
        }
        await self._client.create(
            PODS, binding, info.key.namespace, subresource="binding", name=info.key.name
        )
        return SUCCESS
