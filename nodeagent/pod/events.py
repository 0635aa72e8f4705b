"""Events about pods and their containers, through the client's recorder."""

from __future__ import annotations

from typing import Literal, Protocol

from nodeagent.podspec import Obj, Role, container_field_path


class Recorder(Protocol):
    """What is needed of `client.events.EventRecorder`."""

    def event(
        self,
        obj: Obj,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        field_path: str = "",
        action: str = "",
    ) -> None: ...


class PodEvents:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def normal(
        self, pod: Obj, reason: str, message: str, role: Role | None = None, container: Obj | None = None
    ) -> None:
        self._record("Normal", pod, reason, message, role, container)

    def warning(
        self, pod: Obj, reason: str, message: str, role: Role | None = None, container: Obj | None = None
    ) -> None:
        self._record("Warning", pod, reason, message, role, container)

    def _record(
        self,
        type_: Literal["Normal", "Warning"],
        pod: Obj,
        reason: str,
        message: str,
        role: Role | None,
        container: Obj | None,
    ) -> None:
        path = container_field_path(role, container["name"]) if role and container else ""
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]}
        self._recorder.event(about, type_, reason, message, field_path=path)
