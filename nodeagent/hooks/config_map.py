"""configMap volumes: the keys of a ConfigMap as files, kept up to date."""

from __future__ import annotations

from collections.abc import Iterable

from nodeagent.files import HostFiles
from nodeagent.hooks.atomic_writer import remove_stale, write_payload
from nodeagent.hooks.content import config_map_files, mode_of
from nodeagent.hooks.hook import ObjectRef, TokenRef, VolumeContext
from nodeagent.podspec import Obj


class ConfigMapVolume:
    source = "configMap"
    plugin = "configmap"
    in_memory = False

    def needs(self, volume: Obj) -> Iterable[ObjectRef | TokenRef]:
        return (ObjectRef("configmap", volume["configMap"]["name"]),)

    async def set_up(self, context: VolumeContext, volume: Obj) -> str:
        source = volume["configMap"]
        payload = config_map_files(context.pod, source, context.sources, mode_of(source))
        directory = context.directory(self.plugin, volume["name"])
        if write_payload(context.files, directory, payload, context.clock, fs_group=context.fs_group):
            await remove_stale(context.files, directory)
        return directory

    async def tear_down(self, files: HostFiles, directory: str) -> None:
        await files.remove_tree(directory)
