"""ImageService and RootfsProvider with one image made of the host's static busybox, for runtime tests."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from runtime.cri import Auth, FilesystemUsage, Image, ImageConfig, Rootfs

BUSYBOX = "/bin/busybox"
_APPLETS = (
    "sh cat echo sleep true false ls id env hostname ps kill test mkdir touch rm mount umount grep head "
    "dd wc cut tr stat nc wget ip mknod chroot dmesg stty tty yes seq date printf head tail nproc unshare "
    "ping adduser chmod chown vi sed awk find readlink pwd df free httpd ulimit uname awk tee sync"
)
APPLETS = tuple(dict.fromkeys(_APPLETS.split()))


class BusyboxImages:
    """`configs` maps further references to image configs on the same files."""

    def __init__(
        self, directory: Path, reference: str, configs: dict[str, ImageConfig] | None = None
    ) -> None:
        self._directory = directory
        self.configs = {reference: ImageConfig(cmd=("sh",)), **(configs or {})}
        self._ids = {self._id(name): name for name in self.configs}
        self._lower = directory / "lower"

    @staticmethod
    def _id(reference: str) -> str:
        return "sha256:" + hashlib.sha256(reference.encode()).hexdigest()

    async def start(self) -> None:
        if self._lower.exists():
            return
        for name in ("bin", "tmp", "etc", "root", "proc", "sys", "dev", "var/log"):
            (self._lower / name).mkdir(parents=True)
        os.chmod(self._lower / "tmp", 0o1777)
        shutil.copy2(BUSYBOX, self._lower / "bin/busybox")
        for applet in APPLETS:
            (self._lower / "bin" / applet).unlink(missing_ok=True)
            os.symlink("busybox", self._lower / "bin" / applet)
        (self._lower / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\n"
        )
        (self._lower / "etc/group").write_text("root:x:0:\napp:x:1002:\nextra:x:3000:app\n")

    async def close(self) -> None:
        return None

    async def list_images(self) -> Sequence[Image]:
        return tuple(self._image(name) for name in self.configs)

    async def image_status(self, reference: str) -> Image | None:
        name = self._ids.get(reference, reference)
        return self._image(name) if name in self.configs else None

    async def pull_image(self, reference: str, auth: Auth | None = None) -> str:
        return self._id(reference)

    async def remove_image(self, reference: str) -> None:
        return None

    async def image_fs_info(self) -> FilesystemUsage:
        return FilesystemUsage(str(self._directory), 0, 0, 0, 0, 0)

    async def image_config(self, image_id: str) -> ImageConfig:
        return self.configs[self._ids[image_id]]

    async def prepare(self, container_id: str, image_id: str) -> Rootfs:
        base = self._directory / "layers" / container_id
        (base / "upper").mkdir(parents=True, exist_ok=True)
        (base / "work").mkdir(exist_ok=True)
        return Rootfs((str(self._lower),), str(base / "upper"), str(base / "work"))

    async def remove(self, container_id: str) -> None:
        shutil.rmtree(self._directory / "layers" / container_id, ignore_errors=True)

    async def usage_bytes(self, container_id: str) -> int:
        upper = self._directory / "layers" / container_id / "upper"
        return sum(path.stat().st_size for path in upper.rglob("*") if path.is_file())

    def _image(self, name: str) -> Image:
        image_id = self._id(name)
        return Image(image_id, (name,), (f"{name.rsplit(':', 1)[0]}@{image_id}",), 1 << 20)
