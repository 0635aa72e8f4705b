"""A pod's volumes on this node: set up, kept up to date, taken down.

Set-up is idempotent and doubles as refresh. Tear-down reads what stands on disk, so it works for pods that
this agent never saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from client.transport import TransportError
from machinery.errors import ApiError
from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.files import HostFiles
from nodeagent.hooks.hook import ObjectRef, TokenRef, VolumeContext, VolumeError, source_of
from nodeagent.hooks.table import BY_PLUGIN, BY_SOURCE
from nodeagent.pod.deps import Deps
from nodeagent.podspec import Obj


class MountFailed(Exception):
    """A volume could not be set up."""

    def __init__(self, volume: str, cause: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {cause}')


def object_refs(pod: Obj) -> list[ObjectRef]:
    """Every ConfigMap and Secret that the pod names: in volumes, environments, pull secrets."""
    refs: dict[ObjectRef, None] = {}
    for need in _volume_needs(pod):
        if isinstance(need, ObjectRef):
            refs[need] = None
    for _, container in podspec.all_containers(pod):
        for source in container.get("envFrom") or ():
            for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
                if source.get(field):
                    refs[ObjectRef(kind, source[field]["name"])] = None
        for entry in container.get("env") or ():
            value_from = entry.get("valueFrom") or {}
            for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
                if value_from.get(field):
                    refs[ObjectRef(kind, value_from[field]["name"])] = None
    for secret in podspec.spec_of(pod).get("imagePullSecrets") or ():
        refs[ObjectRef("secret", secret["name"])] = None
    return list(refs)


async def set_up_volumes(deps: Deps, pod: Obj, pod_ips: tuple[str, ...]) -> dict[str, str]:
    """Volume name → path on the node. Raises MountFailed for the first that fails."""
    try:
        await deps.references.ready(podspec.uid_of(pod))
    except TimeoutError as error:
        raise MountFailed("*", "timed out waiting for the API server") from error
    tokens = await _tokens(deps, pod)
    context = VolumeContext(pod, deps.config, deps.files, deps.clock, deps.sources(pod, pod_ips), tokens)
    paths: dict[str, str] = {}
    for volume in podspec.spec_of(pod).get("volumes") or ():
        hook = BY_SOURCE.get(source_of(volume)[0])
        if hook is None:
            raise MountFailed(volume["name"], f"volumes of kind {source_of(volume)[0]} are not supported")
        try:
            paths[volume["name"]] = await hook.set_up(context, volume)
        except (VolumeError, OSError) as error:
            raise MountFailed(volume["name"], str(error)) from error
    return paths


def is_read_only(volume: Obj) -> bool:
    """Volumes whose content the node writes are read-only for containers."""
    return source_of(volume)[0] in ("configMap", "secret", "downwardAPI", "projected")


async def tear_down_volumes(files: HostFiles, config: AgentConfig, uid: str) -> None:
    """Unmounts and removes all that stands on the node for this pod, its directory included."""
    root = str(config.pod_dir(uid))
    for path in _walk(files, f"{root}/volume-subpaths", 3):
        files.unmount(path)
    memory = str(config.pod_memory_dir(uid))
    for base in (root, memory):
        for plugin in files.list_dir(f"{base}/volumes"):
            hook = BY_PLUGIN.get(plugin.partition("~")[2])
            for name in files.list_dir(f"{base}/volumes/{plugin}"):
                if hook is not None:
                    await hook.tear_down(files, f"{base}/volumes/{plugin}/{name}")
    await files.remove_tree(memory)
    await files.remove_tree(root)


def _walk(files: HostFiles, path: str, depth: int) -> Iterable[str]:
    if depth == 0:
        yield path
        return
    for name in files.list_dir(path):
        yield from _walk(files, f"{path}/{name}", depth - 1)


def _volume_needs(pod: Obj) -> Iterable[ObjectRef | TokenRef]:
    for volume in podspec.spec_of(pod).get("volumes") or ():
        hook = BY_SOURCE.get(source_of(volume)[0])
        if hook is not None:
            yield from hook.needs(volume)


async def _tokens(deps: Deps, pod: Obj) -> Mapping[TokenRef, str]:
    wanted = list(dict.fromkeys(need for need in _volume_needs(pod) if isinstance(need, TokenRef)))
    try:
        texts = await asyncio.gather(*(deps.tokens.get(pod, ref) for ref in wanted))
    except (ApiError, TransportError) as error:
        raise MountFailed(_token_volume(pod), f"failed to fetch token: {error}") from error
    return dict(zip(wanted, texts, strict=True))


def _token_volume(pod: Obj) -> str:
    for volume in podspec.spec_of(pod).get("volumes") or ():
        if any(s.get("serviceAccountToken") for s in (volume.get("projected") or {}).get("sources") or ()):
            return str(volume["name"])
    return "*"
