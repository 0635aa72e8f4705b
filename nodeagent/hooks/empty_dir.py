"""emptyDir volumes: an empty directory for the pod's life, on disk or (medium Memory) on a tmpfs."""

from __future__ import annotations

from collections.abc import Iterable

from nodeagent.files import HostFiles
from nodeagent.hooks.hook import ObjectRef, TokenRef, VolumeContext, VolumeError
from nodeagent.podspec import Obj
from nodeagent.resources import pod_limits, whole


class EmptyDirVolume:
    source = "emptyDir"
    plugin = "empty-dir"
    in_memory = False

    def needs(self, volume: Obj) -> Iterable[ObjectRef | TokenRef]:
        return ()

    async def set_up(self, context: VolumeContext, volume: Obj) -> str:
        source = volume.get("emptyDir") or {}
        directory = context.directory(self.plugin, volume["name"])
        medium = source.get("medium") or ""
        if medium.startswith("HugePages"):
            raise VolumeError(f"emptyDir medium {medium} is not supported by this node")
        fresh = context.files.kind(directory) == ""
        if medium == "Memory":
            limits = [pod_limits(context.pod).get("memory", 0)]
            if source.get("sizeLimit"):
                limits.append(whole(source["sizeLimit"]))
            size = min((limit for limit in limits if limit), default=0)
            context.files.mount_tmpfs(directory, size_bytes=size, mode=0o777)
        else:
            context.files.make_dir(directory, 0o777)
        if context.fs_group is not None and fresh:
            context.files.set_owner(directory, -1, context.fs_group)
            context.files.set_mode(directory, 0o2777)
        return directory

    async def tear_down(self, files: HostFiles, directory: str) -> None:
        files.unmount(directory)
        await files.remove_tree(directory)
