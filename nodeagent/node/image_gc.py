"""Removes images that no pod uses when the disk fills: above the high mark, oldest use first, to the low mark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from client.logs import Logger
from machinery.clock import Clock
from nodeagent.config import AgentConfig
from runtime.cri import FilesystemUsage, Image, ImageFailure, ImageService

CHECK_S = 300.0
MIN_AGE_S = 120.0


def plan_image_gc(
    usage: FilesystemUsage,
    images: Sequence[Image],
    last_used: dict[str, float],
    in_use: frozenset[str],
    high: float,
    low: float,
    now: float,
) -> list[str]:
    """Ids to remove, in order. Pinned and young images stay."""
    capacity = max(usage.capacity_bytes, 1)
    taken = capacity - usage.available_bytes
    if taken / capacity < high:
        return []
    to_free = taken - int(capacity * low)
    chosen: list[str] = []
    for image in sorted(images, key=lambda i: (last_used.get(i.id, now), i.id)):
        if to_free <= 0:
            break
        if image.pinned or image.id in in_use or now - last_used.get(image.id, now) < MIN_AGE_S:
            continue
        chosen.append(image.id)
        to_free -= image.size_bytes
    return chosen


class ImageCollector:
    """`in_use` gives the ids of images that containers were made from."""

    def __init__(
        self,
        config: AgentConfig,
        clock: Clock,
        images: ImageService,
        in_use: Callable[[], Iterable[str]],
        log: Logger,
    ) -> None:
        self._config = config
        self._clock = clock
        self._images = images
        self._in_use = in_use
        self._log = log
        self._last_used: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                await self.collect()
            except (ImageFailure, OSError) as error:
                self._log.warning("unused images could not be removed", why=str(error))

    async def collect(self) -> None:
        now = self._clock.now()
        used = frozenset(self._in_use())
        images = await self._images.list_images()
        present = {image.id for image in images}
        self._last_used = {
            image_id: now if image_id in used else self._last_used.get(image_id, now)
            for image_id in sorted(present)
        }
        usage = await self._images.image_fs_info()
        for image_id in plan_image_gc(
            usage, images, self._last_used, used, self._config.image_gc_high, self._config.image_gc_low, now
        ):
            self._log.info("removing an unused image", image=image_id)
            await self._images.remove_image(image_id)
