"""What a test asks of a pod's status, and the container that most test pods are made of."""

from __future__ import annotations

from typing import Any


def phase(pod: Any) -> str:
    return pod.get("status", {}).get("phase", "")


def ready(pod: Any) -> bool:
    return any(
        c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", ())
    )


def first(pod: Any) -> Any:
    return (pod.get("status", {}).get("containerStatuses") or [{}])[0]


def sleeper(name: str = "main", **more: Any) -> Any:
    return {"name": name, "image": "web:1", "command": ["sleep", "infinity"], **more}
