"""AppArmor's annotations of old: a new pod's become fields of its containers, which alone count.

Nothing goes the other way: who sets fields gets no annotations. A pod for Windows is left as it is.
Source: KEP-24 (AppArmor), version skew strategy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.validation.errors import Errors
from api.validation.pod_annotations import APPARMOR
from api.validation.security import validate_apparmor

Obj = dict[str, Any]

_PLAIN = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}
_LOCAL = "localhost/"


def profile_of(annotation: str) -> Obj | None:
    """`localhost/x` → {type: Localhost, localhostProfile: x}; None for what is no profile that a field may hold."""
    if annotation in _PLAIN:
        return {"type": _PLAIN[annotation]}
    if not annotation.startswith(_LOCAL):
        return None
    profile = {"type": "Localhost", "localhostProfile": annotation.removeprefix(_LOCAL)}
    errors = Errors()
    validate_apparmor(errors, profile, "")
    return None if errors else profile


def make_fields(pod: Obj) -> Iterator[str]:
    """Changes `pod` in place; gives advice for each annotation that said what no field did."""
    annotations, spec = pod["metadata"].get("annotations") or {}, pod["spec"]
    if (spec.get("os") or {}).get("name") == "windows":
        return
    whole = (spec.get("securityContext") or {}).get("appArmorProfile")
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            key = APPARMOR + container.get("name", "")
            own = (container.get("securityContext") or {}).get("appArmorProfile")
            if key not in annotations or own is not None:
                continue
            profile = profile_of(annotations[key])
            if profile is not None and profile == whole:
                continue
            if profile is not None:
                container["securityContext"] = {
                    **(container.get("securityContext") or {}),
                    "appArmorProfile": profile,
                }
            yield f'metadata.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'
