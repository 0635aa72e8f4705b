"""What is mounted into a container: its volumes (whole or a subPath), the hosts file, the termination log.
Host name and resolver configuration are the runtime's, as the CRI has it: it is told them with the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nodeagent import podspec
from nodeagent.cri_config import termination_path
from nodeagent.cri_security import ConfigError
from nodeagent.dns import hosts_file
from nodeagent.expansion import expand, missing_names
from nodeagent.pod.deps import Deps
from nodeagent.pod.volumes import is_read_only
from nodeagent.podspec import Obj
from runtime.cri import Mount

_PROPAGATION: Mapping[str, Literal["HOST_TO_CONTAINER", "BIDIRECTIONAL"]] = {
    "HostToContainer": "HOST_TO_CONTAINER",
    "Bidirectional": "BIDIRECTIONAL",
}


def write_pod_files(deps: Deps, pod: Obj, pod_ips: tuple[str, ...]) -> None:
    """Idempotent; written anew when the pod's address changes."""
    directory = str(deps.config.pod_memory_dir(podspec.uid_of(pod)))
    deps.files.make_dir(directory, 0o755)
    hosts = hosts_file(pod, deps.config, pod_ips, deps.node.host_hosts_file)
    deps.files.write(f"{directory}/etc-hosts", hosts.encode(), 0o644)


def container_mounts(
    deps: Deps, pod: Obj, container: Obj, attempt: int, volumes: Mapping[str, str], env: Mapping[str, str]
) -> tuple[list[Mount], str]:
    """(mounts, the node's path of the termination log). Raises ConfigError, OSError."""
    mounts = [
        _volume_mount(deps, pod, container, index, entry, volumes, env)
        for index, entry in enumerate(container.get("volumeMounts") or ())
    ]
    taken = {mount.container_path.rstrip("/") for mount in mounts}
    directory = str(deps.config.pod_memory_dir(podspec.uid_of(pod)))
    readonly = bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem"))
    if "/etc/hosts" not in taken:
        mounts.append(Mount("/etc/hosts", f"{directory}/etc-hosts", readonly=readonly))
    target = termination_path(container)
    log = ""
    if target not in taken:
        folder = f"{directory}/containers/{container['name']}"
        log = f"{folder}/{attempt}"
        deps.files.make_dir(folder, 0o750)
        deps.files.write(log, b"", 0o666)
        mounts.append(Mount(target, log))
    return mounts, log


def _volume_mount(
    deps: Deps,
    pod: Obj,
    container: Obj,
    index: int,
    entry: Obj,
    volumes: Mapping[str, str],
    env: Mapping[str, str],
) -> Mount:
    name = entry["name"]
    path = volumes.get(name)
    volume = next((v for v in podspec.spec_of(pod).get("volumes") or () if v["name"] == name), None)
    if path is None or volume is None:
        raise ConfigError(f'cannot find volume "{name}" to mount into container "{container["name"]}"')
    sub_path = entry.get("subPath") or ""
    if expression := entry.get("subPathExpr"):
        unknown = missing_names(expression, env)
        if unknown:
            raise ConfigError(f"cannot expand subPathExpr {expression!r}: missing value for {unknown[0]!r}")
        sub_path = expand(expression, env)
    if sub_path:
        root = deps.config.pod_dir(podspec.uid_of(pod)) / "volume-subpaths" / name / container["name"]
        target = str(root / str(index))
        try:
            deps.files.bind_beneath(path, sub_path, target, create=not is_read_only(volume))
        except OSError as error:
            raise ConfigError(
                f'failed to prepare subPath for volumeMount "{name}" of container "{container["name"]}": {error}'
            ) from error
        path = target
    return Mount(
        container_path=_absolute(entry["mountPath"]),
        host_path=path,
        readonly=bool(entry.get("readOnly")) or is_read_only(volume),
        recursive_read_only=entry.get("recursiveReadOnly") in ("Enabled", "IfPossible"),
        propagation=_PROPAGATION.get(entry.get("mountPropagation") or "", "PRIVATE"),
    )


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
