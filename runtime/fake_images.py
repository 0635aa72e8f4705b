"""ImageService without a registry or a disk, for the simulator and `--fake-runtime`.

Every reference can be pulled unless it is made to fail (`fail_pulls`); a pull takes `pull_s` on the
clock. Image ids are digests of the normalised reference, so the same run gives the same ids.
Also gives the runtime what it asks of images: their config.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence

from machinery.clock import Clock
from runtime.cri import Auth, FilesystemUsage, Image, ImageConfig, ImageFailure

_VALID = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9._\-/:]*(@sha256:[0-9a-f]{64})?$")


def normalise(reference: str) -> str:
    """busybox → docker.io/library/busybox:latest. Raises ImageFailure InvalidImageName."""
    if not _VALID.match(reference) or reference.endswith((":", "/")):
        raise ImageFailure(
            "InvalidImageName", f'Failed to apply default image tag "{reference}": invalid reference format'
        )
    name, at, digest = reference.partition("@")
    first, slash, rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{first}/{rest}"
    if ":" not in name.rsplit("/", 1)[-1] and not at:
        name += ":latest"
    return name + at + digest


def image_id_of(reference: str) -> str:
    return "sha256:" + hashlib.sha256(normalise(reference).encode()).hexdigest()


class FakeImages:
    """Public to its user: `configs`, `pulls` (references in order), `fail_pulls`, `preload`."""

    def __init__(self, clock: Clock, *, pull_s: float = 0.5, size_bytes: int = 5_000_000) -> None:
        self._clock = clock
        self._pull_s = pull_s
        self._size_bytes = size_bytes
        self._images: dict[str, Image] = {}
        self._failures: dict[str, ImageFailure] = {}
        self._pulling: dict[str, asyncio.Future[None]] = {}
        self.configs: dict[str, ImageConfig] = {}
        self.pulls: list[str] = []

    def preload(self, *references: str, config: ImageConfig | None = None) -> None:
        """Makes images present without a pull; `config` says how they run."""
        for reference in references:
            image = self._add(normalise(reference))
            if config is not None:
                self.configs[image.id] = config

    def fail_pulls(self, reference: str, failure: ImageFailure | None) -> None:
        """Every pull of it fails from now on; None mends it."""
        name = normalise(reference)
        if failure is None:
            self._failures.pop(name, None)
        else:
            self._failures[name] = failure

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def list_images(self) -> Sequence[Image]:
        return tuple(self._images.values())

    async def image_status(self, reference: str) -> Image | None:
        return self.find(reference)

    async def pull_image(self, reference: str, auth: Auth | None = None) -> str:
        name = normalise(reference)
        running = self._pulling.get(name)
        if running is None:
            self.pulls.append(reference)
            running = asyncio.get_running_loop().create_future()
            self._pulling[name] = running
            try:
                await self._clock.sleep(self._pull_s)
            finally:
                del self._pulling[name]
                running.set_result(None)
        else:
            await asyncio.shield(running)
        if failure := self._failures.get(name):
            raise ImageFailure(failure.reason, str(failure))
        return self._add(name).id

    async def remove_image(self, reference: str) -> None:
        image = self.find(reference)
        if image is not None:
            del self._images[image.id]

    async def image_fs_info(self) -> FilesystemUsage:
        used = sum(image.size_bytes for image in self._images.values())
        capacity = 100 << 30
        return FilesystemUsage("/fake", used, capacity, capacity - used, 10_000_000, 10_000_000)

    async def image_config(self, image_id: str) -> ImageConfig:
        return self.configs.get(image_id) or ImageConfig()

    def find(self, reference: str) -> Image | None:
        if reference.startswith("sha256:"):
            return self._images.get(reference)
        try:
            name = normalise(reference)
        except ImageFailure:
            return None
        for image in self._images.values():
            if name in image.repo_tags or name in image.repo_digests:
                return image
        return None

    def _add(self, name: str) -> Image:
        image_id = image_id_of(name)
        tags = () if "@" in name else (name,)
        repository = name.partition("@")[0].rsplit(":", 1)[0] if tags else name.partition("@")[0]
        digests = (name,) if "@" in name else (f"{repository}@{image_id}",)
        image = Image(image_id, tags, digests, self._size_bytes)
        self._images[image_id] = image
        return image
