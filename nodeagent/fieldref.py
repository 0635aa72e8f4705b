"""What the downward API shows of a pod: values of fieldRef and resourceFieldRef. Pure.

Source: Kubernetes "Downward API"; pkg/fieldpath.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from nodeagent import podspec
from nodeagent.podspec import Obj
from nodeagent.resources import divide

_SUBSCRIPT = re.compile(r"^(metadata\.(?:annotations|labels))\['(.*)'\]$")


class FieldError(Exception):
    """No such field, or it has no value."""


def field_value(pod: Obj, path: str, *, pod_ips: tuple[str, ...] = (), host_ips: tuple[str, ...] = ()) -> str:
    """The text of a field such as metadata.name, metadata.labels['app'], status.podIP."""
    meta = pod["metadata"]
    if subscript := _SUBSCRIPT.match(path):
        return str((meta.get(subscript[1].partition(".")[2]) or {}).get(subscript[2], ""))
    match path:
        case "metadata.name":
            return podspec.name_of(pod)
        case "metadata.namespace":
            return podspec.namespace_of(pod)
        case "metadata.uid":
            return podspec.uid_of(pod)
        case "metadata.labels":
            return _format_map(meta.get("labels") or {})
        case "metadata.annotations":
            return _format_map(meta.get("annotations") or {})
        case "spec.nodeName":
            return str(podspec.spec_of(pod).get("nodeName", ""))
        case "spec.serviceAccountName":
            return str(podspec.spec_of(pod).get("serviceAccountName", ""))
        case "status.hostIP":
            return host_ips[0] if host_ips else ""
        case "status.hostIPs":
            return ",".join(host_ips)
        case "status.podIP":
            return pod_ips[0] if pod_ips else ""
        case "status.podIPs":
            return ",".join(pod_ips)
    raise FieldError(f"unsupported fieldPath: {path}")


def resource_value(
    pod: Obj, selector: Mapping[str, Any], allocatable: Mapping[str, Any], container: Obj | None = None
) -> str:
    """A container's request or limit in units of the divisor; a missing limit shows the node's allocatable."""
    name = selector.get("containerName")
    if name:
        found = podspec.find_container(pod, name)
        if found is None:
            raise FieldError(f"container {name} not found")
        container = found[1]
    if container is None:
        raise FieldError("resourceFieldRef needs a containerName here")
    kind, _, resource = selector["resource"].partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise FieldError(f"unsupported container resource : {selector['resource']}")
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(resource)
    if value is None and kind == "limits":
        value = allocatable.get(resource)
    if value is None and kind == "requests":
        value = (resources.get("limits") or {}).get(resource)
    return str(divide(value if value is not None else "0", selector.get("divisor") or "1"))


def _format_map(values: Mapping[str, str]) -> str:
    """`key="value"` lines, sorted, the value quoted as Go's %q does for the usual characters."""
    return "\n".join(f"{key}={orjson.dumps(values[key]).decode()}" for key in sorted(values))
