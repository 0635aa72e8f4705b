"""projected volumes: several sources in one directory; the service account token is one of them."""

from __future__ import annotations

from collections.abc import Iterable

from nodeagent.files import HostFiles
from nodeagent.hooks.atomic_writer import File, remove_stale, write_payload
from nodeagent.hooks.content import (
    clean_path,
    config_map_files,
    downward_files,
    mode_of,
    owner_of,
    secret_files,
)
from nodeagent.hooks.hook import ObjectRef, TokenRef, VolumeContext, VolumeError
from nodeagent.podspec import Obj

DEFAULT_EXPIRATION_S = 3600


class ProjectedVolume:
    source = "projected"
    plugin = "projected"
    in_memory = True

    def needs(self, volume: Obj) -> Iterable[ObjectRef | TokenRef]:
        for entry in volume["projected"].get("sources") or ():
            if found := entry.get("configMap"):
                yield ObjectRef("configmap", found["name"])
            elif found := entry.get("secret"):
                yield ObjectRef("secret", found["name"])
            elif found := entry.get("serviceAccountToken"):
                yield token_ref(found)

    async def set_up(self, context: VolumeContext, volume: Obj) -> str:
        source = volume["projected"]
        mode = mode_of(source)
        payload: dict[str, File] = {}
        for entry in source.get("sources") or ():
            payload.update(self._files_of(context, entry, mode))
        directory = context.directory(self.plugin, volume["name"], in_memory=True)
        if write_payload(context.files, directory, payload, context.clock, fs_group=context.fs_group):
            await remove_stale(context.files, directory)
        return directory

    async def tear_down(self, files: HostFiles, directory: str) -> None:
        await files.remove_tree(directory)

    def _files_of(self, context: VolumeContext, entry: Obj, mode: int) -> dict[str, File]:
        pod, sources = context.pod, context.sources
        if found := entry.get("configMap"):
            return config_map_files(pod, found, sources, mode)
        if found := entry.get("secret"):
            return secret_files(pod, found, sources, mode)
        if found := entry.get("downwardAPI"):
            return downward_files(pod, found.get("items") or (), sources, mode)
        if found := entry.get("serviceAccountToken"):
            owner = owner_of(pod)
            token = context.tokens[token_ref(found)]
            private = (
                context.fs_group is not None or owner >= 0
            )  # fsGroup's members are let in when it is written
            return {clean_path(found["path"]): File(token.encode(), 0o600 if private else mode, owner)}
        raise VolumeError(f"projected volume source {next(iter(entry), 'of no kind')} is not supported")


def token_ref(source: Obj) -> TokenRef:
    return TokenRef(
        source.get("audience") or "", int(source.get("expirationSeconds") or DEFAULT_EXPIRATION_S)
    )
