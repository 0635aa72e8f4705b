"""Pod and container security contexts, merged into the runtime's. Pure. The container's word wins.

Refusals are `ConfigError`s in upstream's words (reason CreateContainerConfigError).
"""

from __future__ import annotations

from typing import Any

from nodeagent import podspec
from nodeagent.podspec import Obj
from runtime.cri import SeccompProfile, SecurityContext


class ConfigError(Exception):
    """The container cannot be described to the runtime; str() is the cause. Becomes CreateContainerConfigError."""


def effective(pod: Obj, container: Obj, field: str) -> Any:
    """A field of the container's security context, else of the pod's, else None."""
    own = (container.get("securityContext") or {}).get(field)
    if own is not None:
        return own
    return (podspec.spec_of(pod).get("securityContext") or {}).get(field)


def security_context(
    pod: Obj, container: Obj, *, image_user: str = "", seccomp_default: bool = True
) -> SecurityContext:
    own = container.get("securityContext") or {}
    of_pod = podspec.spec_of(pod).get("securityContext") or {}
    user, group = effective(pod, container, "runAsUser"), effective(pod, container, "runAsGroup")
    check_non_root(pod, container, image_user)
    privileged = bool(own.get("privileged"))
    capabilities = own.get("capabilities") or {}
    groups = list(of_pod.get("supplementalGroups") or ())
    if of_pod.get("fsGroup") is not None:
        groups.append(of_pod["fsGroup"])
    unmasked = own.get("procMount") == "Unmasked" or privileged
    return SecurityContext(
        privileged=privileged,
        run_as_user=user,
        run_as_group=group,
        supplemental_groups=tuple(dict.fromkeys(int(g) for g in groups)),
        supplemental_groups_policy=of_pod.get("supplementalGroupsPolicy") or "Merge",
        readonly_rootfs=bool(own.get("readOnlyRootFilesystem")),
        no_new_privs=own.get("allowPrivilegeEscalation") is False,
        add_capabilities=tuple(_plain(c) for c in capabilities.get("add") or ()),
        drop_capabilities=tuple(_plain(c) for c in capabilities.get("drop") or ()),
        seccomp=_seccomp(pod, container, privileged, seccomp_default),
        masked_paths=() if unmasked else None,
        readonly_paths=() if unmasked else None,
    )


def check_non_root(pod: Obj, container: Obj, image_user: str) -> None:
    """runAsNonRoot is checked before anything runs; only a number proves that a user is not root."""
    if not effective(pod, container, "runAsNonRoot"):
        return
    where = f'(pod: "{podspec.full_name(pod)}", container: {container["name"]})'
    user = effective(pod, container, "runAsUser")
    if user is not None:
        if int(user) == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if name and not name.isdigit():
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({name}), "
            f"cannot verify user is non-root {where}"
        )
    if not name or int(name) == 0:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")


def _plain(capability: str) -> str:
    return capability.upper().removeprefix("CAP_")


def _seccomp(pod: Obj, container: Obj, privileged: bool, default: bool) -> SeccompProfile:
    profile = effective(pod, container, "seccompProfile")
    if privileged:
        return SeccompProfile("Unconfined")
    if not profile:
        return SeccompProfile("RuntimeDefault" if default else "Unconfined")
    if profile.get("type") == "Localhost":
        return SeccompProfile("Localhost", profile.get("localhostProfile", ""))
    return SeccompProfile("RuntimeDefault" if profile.get("type") == "RuntimeDefault" else "Unconfined")
