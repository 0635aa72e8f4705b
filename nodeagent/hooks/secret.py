"""secret volumes: the keys of a Secret as files on the node's tmpfs, kept up to date."""

from __future__ import annotations

from collections.abc import Iterable

from nodeagent.files import HostFiles
from nodeagent.hooks.atomic_writer import remove_stale, write_payload
from nodeagent.hooks.content import mode_of, secret_files
from nodeagent.hooks.hook import ObjectRef, TokenRef, VolumeContext
from nodeagent.podspec import Obj


class SecretVolume:
    source = "secret"
    plugin = "secret"
    in_memory = True

    def needs(self, volume: Obj) -> Iterable[ObjectRef | TokenRef]:
        return (ObjectRef("secret", volume["secret"]["secretName"]),)

    async def set_up(self, context: VolumeContext, volume: Obj) -> str:
        source = volume["secret"]
        payload = secret_files(context.pod, source, context.sources, mode_of(source))
        directory = context.directory(self.plugin, volume["name"], in_memory=True)
        if write_payload(context.files, directory, payload, context.clock, fs_group=context.fs_group):
            await remove_stale(context.files, directory)
        return directory

    async def tear_down(self, files: HostFiles, directory: str) -> None:
        await files.remove_tree(directory)
