"""The Pod Security Standards: what a pod does that its level forbids. Pure, over a pod's spec and metadata.

Source: Kubernetes "Pod Security Standards". Wording follows upstream's checks: what is wrong, and in
parentheses where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

Obj = Mapping[str, Any]
Level = Literal["privileged", "baseline", "restricted"]
Check = Callable[[Obj], str]  # what is wrong, "" for nothing

_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ]
)
_SELINUX = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))
_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)
_PROFILES = ("RuntimeDefault", "Localhost")


def violations(spec: Obj, level: Level) -> list[str]:
    """All that is wrong with a pod of this spec under `level`, [] where it is fine."""
    checks: Sequence[Check] = {
        "privileged": (),
        "baseline": BASELINE,
        "restricted": (*BASELINE, *RESTRICTED),
    }[level]
    return [found for found in (check(spec) for check in checks) if found]


def _containers(spec: Obj) -> Iterator[Obj]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or ()


def _context(of: Obj) -> Obj:
    context: Obj = of.get("securityContext") or {}
    return context


def _who(names: Sequence[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"container {quoted}" if len(names) == 1 else f"containers {quoted}"


def _bad_containers(spec: Obj, is_bad: Callable[[Obj], bool]) -> list[str]:
    return [container.get("name", "") for container in _containers(spec) if is_bad(container)]


def _host_namespaces(spec: Obj) -> str:
    found = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(found)})" if found else ""


def _privileged(spec: Obj) -> str:
    bad = _bad_containers(spec, lambda c: bool(_context(c).get("privileged")))
    return f"privileged ({_who(bad)} must not set securityContext.privileged=true)" if bad else ""


def _host_process(spec: Obj) -> str:
    bad = _bad_containers(spec, lambda c: bool((_context(c).get("windowsOptions") or {}).get("hostProcess")))
    if bad or (_context(spec).get("windowsOptions") or {}).get("hostProcess"):
        return "hostProcess (securityContext.windowsOptions.hostProcess must not be true)"
    return ""


def _added_capabilities(spec: Obj) -> str:
    added = {
        capability
        for container in _containers(spec)
        for capability in (_context(container).get("capabilities") or {}).get("add") or ()
    }
    bad = sorted(added - _CAPABILITIES)
    if not bad:
        return ""
    return f"non-default capabilities (must not include {', '.join(bad)} in securityContext.capabilities.add)"


def _host_path(spec: Obj) -> str:
    bad = [volume.get("name", "") for volume in spec.get("volumes") or () if "hostPath" in volume]
    named = ", ".join(f'"{name}"' for name in bad)
    return f"hostPath volumes (volume{'s' if len(bad) > 1 else ''} {named})" if bad else ""


def _host_ports(spec: Obj) -> str:
    bad = _bad_containers(spec, lambda c: any(port.get("hostPort") for port in c.get("ports") or ()))
    return f"hostPort ({_who(bad)} uses a hostPort)" if bad else ""


def _selinux(spec: Obj) -> str:
    for of in (spec, *_containers(spec)):
        options = _context(of).get("seLinuxOptions") or {}
        if options.get("type", "") not in _SELINUX or options.get("user") or options.get("role"):
            return "seLinuxOptions (a type that is not allowed, or user or role set)"
    return ""


def _proc_mount(spec: Obj) -> str:
    bad = _bad_containers(spec, lambda c: _context(c).get("procMount") not in (None, "", "Default"))
    return f'procMount ({_who(bad)} must not set securityContext.procMount to "Unmasked")' if bad else ""


def _unconfined(spec: Obj) -> str:
    for of in (spec, *_containers(spec)):
        for kind in ("seccompProfile", "appArmorProfile"):
            if (_context(of).get(kind) or {}).get("type") == "Unconfined":
                return f'{kind} (must not set securityContext.{kind}.type to "Unconfined")'
    return ""


def _sysctls(spec: Obj) -> str:
    bad = [s.get("name", "") for s in _context(spec).get("sysctls") or () if s.get("name") not in _SYSCTLS]
    return f"forbidden sysctls ({', '.join(bad)})" if bad else ""


BASELINE: tuple[Check, ...] = (
    _host_namespaces,
    _privileged,
    _host_process,
    _added_capabilities,
    _host_path,
    _host_ports,
    _selinux,
    _proc_mount,
    _unconfined,
    _sysctls,
)


def _volume_types(spec: Obj) -> str:
    bad = [v.get("name", "") for v in spec.get("volumes") or () if set(v) - {"name"} - _VOLUMES]
    named = ", ".join(f'"{name}"' for name in bad)
    return f"restricted volume types (volume {named} uses a type that is not allowed)" if bad else ""


def _escalation(spec: Obj) -> str:
    bad = _bad_containers(spec, lambda c: _context(c).get("allowPrivilegeEscalation") is not False)
    if not bad:
        return ""
    return f"allowPrivilegeEscalation != false ({_who(bad)} must set securityContext.allowPrivilegeEscalation=false)"


def _drop_all(spec: Obj) -> str:
    def drops(container: Obj) -> bool:
        return "ALL" in ((_context(container).get("capabilities") or {}).get("drop") or ())

    def adds(container: Obj) -> bool:
        return bool(
            set((_context(container).get("capabilities") or {}).get("add") or ()) - {"NET_BIND_SERVICE"}
        )

    parts = []
    if bad := _bad_containers(spec, lambda c: not drops(c)):
        parts.append(f'{_who(bad)} must set securityContext.capabilities.drop=["ALL"]')
    if bad := _bad_containers(spec, adds):
        parts.append(
            f'{_who(bad)} must not include anything but "NET_BIND_SERVICE" in securityContext.capabilities.add'
        )
    return f"unrestricted capabilities ({'; '.join(parts)})" if parts else ""


def _non_root(spec: Obj) -> str:
    by_pod = _context(spec).get("runAsNonRoot")

    def is_bad(container: Obj) -> bool:
        said = _context(container).get("runAsNonRoot")
        return not (by_pod if said is None else said)

    bad = _bad_containers(spec, is_bad)
    return (
        f"runAsNonRoot != true (pod or {_who(bad)} must set securityContext.runAsNonRoot=true)" if bad else ""
    )


def _root_user(spec: Obj) -> str:
    parts = ["pod must not set runAsUser=0"] if _context(spec).get("runAsUser") == 0 else []
    if bad := _bad_containers(spec, lambda c: _context(c).get("runAsUser") == 0):
        parts.append(f"{_who(bad)} must not set runAsUser=0")
    return f"runAsUser=0 ({'; '.join(parts)})" if parts else ""


def _seccomp(spec: Obj) -> str:
    by_pod = (_context(spec).get("seccompProfile") or {}).get("type")
    bad = _bad_containers(
        spec, lambda c: ((_context(c).get("seccompProfile") or {}).get("type") or by_pod) not in _PROFILES
    )
    if not bad:
        return ""
    return f'seccompProfile (pod or {_who(bad)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'


RESTRICTED: tuple[Check, ...] = (_volume_types, _escalation, _drop_all, _non_root, _root_user, _seccomp)
