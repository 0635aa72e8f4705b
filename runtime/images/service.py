"""`LocalImages`: the CRI's ImageService and the runtime's RootfsProvider over one store directory.

Several node agents of a host share the store (`root`); each keeps its containers' writable layers under
its own `node_root`. All blocking work runs on worker threads; concurrent pulls of one reference with one
login are one pull, which goes on as long as anybody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from machinery.clock import Clock
from runtime.cri import Auth, FilesystemUsage, Image, ImageConfig, ImageFailure, Rootfs, RuntimeFailure
from runtime.images import writable
from runtime.images.endpoints import RegistryConfig, read_registries
from runtime.images.failures import NOT_FOUND, UNUSABLE_STORE, failing, is_disk_full
from runtime.images.fsinfo import ensure_overlay_works_on, filesystem_usage
from runtime.images.manifest import Platform, host_platform
from runtime.images.metadata import Names, Record, to_image
from runtime.images.pull import Puller
from runtime.images.reference import Reference, as_image_id, parse_reference
from runtime.images.store import ImageStore
from runtime.images.unpack import Limits
from runtime.images.workers import Workers
from runtime.images.writable import WritableLayers

SWEEP_AFTER_S = 0.2


class LocalImages:
    def __init__(
        self,
        root: Path,
        clock: Clock,
        *,
        node_root: Path | None = None,
        registries: RegistryConfig | None = None,
        platform: Platform | None = None,
        limits: Limits | None = None,
        on_line: Callable[[], None] | None = None,
    ) -> None:
        """`on_line` runs first in every thread that downloads (workers.py). `node_root`: this node's writable layers, default ROOT/containers. `registries`: default what
        ROOT/registries.json says, in the form of RegistryConfig.from_dict."""
        self.store = ImageStore(root, limits or Limits())
        self._clock = clock
        self._node_root = (node_root or root / "containers").absolute()
        self._writable = WritableLayers(self.store.root, self._node_root)
        self._workers = Workers(on_line=on_line)
        self._registries = registries
        self._platform = platform or host_platform()
        self._puller: Puller | None = None
        self._sweep: asyncio.Task[None] | None = None
        self._pulls: dict[tuple[str, Auth | None], _Flight] = {}
        self._configs: dict[str, ImageConfig] = {}  # by id: never wrong, and few

    async def start(self) -> None:
        """Makes the directories. Raises ImageFailure ImageStoreUnusable where overlayfs cannot work there."""
        await self._workers.run("quick", self._create)
        self._sweep_soon()

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            await asyncio.wait([self._sweep])
        for flight in list(self._pulls.values()):
            flight.task.cancel()
            await asyncio.wait([flight.task])
        self._workers.close()

    # -- ImageService --------------------------------------------------------------------------------------

    async def list_images(self) -> Sequence[Image]:
        names = await self._names()
        return [to_image(names, names.images[image_id]) for image_id in sorted(names.images)]

    async def image_status(self, reference: str) -> Image | None:
        names = await self._names()
        record = names.resolve(reference)
        return to_image(names, record) if record else None

    async def pull_image(self, reference: str, auth: Auth | None = None) -> str:
        parsed = parse_reference(reference)
        key = (str(parsed), auth)
        flight = self._pulls.get(key)
        if flight is None:
            task = asyncio.create_task(self._pull(parsed, auth))
            flight = self._pulls[key] = _Flight(task, lambda: self._land(key, task))
            task.add_done_callback(lambda _: self._land(key, task))
        return await flight.wait()

    async def remove_image(self, reference: str) -> None:
        """The image with all its names. Containers that use it keep its layers."""
        await self._workers.run("heavy", lambda: self._remove_image(reference))

    async def image_fs_info(self) -> FilesystemUsage:
        return await self._workers.run(
            "quick", lambda: filesystem_usage(self.store.root, self.store.used_bytes())
        )

    # -- RootfsProvider ------------------------------------------------------------------------------------

    async def image_config(self, image_id: str) -> ImageConfig:
        """Also of an image that was removed while a container still uses it."""
        found = self._configs.get(image_id)
        if found is None:
            found = await self._workers.run("quick", lambda: self._config(image_id))
            if as_image_id(image_id) == image_id:
                self._configs[image_id] = found
        return found

    async def prepare(self, container_id: str, image_id: str) -> Rootfs:
        return await self._workers.run("quick", lambda: self._prepare(container_id, image_id))

    async def remove(self, container_id: str) -> None:
        with _runtime_failure(f"removing the writable layer of {container_id}"):
            await self._workers.run("quick", lambda: self._writable.remove(container_id))
        self._sweep_soon()

    async def usage_bytes(self, container_id: str) -> int:
        return await self._workers.run("quick", lambda: self._writable.usage_bytes(container_id))

    # -- beyond the CRI ------------------------------------------------------------------------------------

    async def collect(self) -> bool:
        """Removes what no image and no container needs; False where a pull is under way just now."""
        return await self._workers.run("heavy", lambda: self.store.collect(self._clock.now()))

    def _land(self, key: tuple[str, Auth | None], task: asyncio.Task[str]) -> None:
        """From now on the next to want this image starts a pull of its own."""
        flight = self._pulls.get(key)
        if flight is not None and flight.task is task:
            del self._pulls[key]
        if task.done() and not task.cancelled():
            task.exception()  # those who wait have it too; nobody waiting is no news

    def _sweep_soon(self) -> None:
        """Removed layers give their space back off the path, many in one go."""
        if self._sweep is None or self._sweep.done():
            self._sweep = asyncio.create_task(self._sweep_trash(), name="empty the trash of layers")

    async def _sweep_trash(self) -> None:
        await self._clock.sleep(SWEEP_AFTER_S)
        await self._workers.run("heavy", self._writable.empty_trash)

    async def _names(self) -> Names:
        known = self.store.catalogue.known()
        return known if known is not None else await self._workers.run("quick", self.store.catalogue.read)

    def _create(self) -> None:
        with failing("opening the image store", self.store.root, UNUSABLE_STORE):
            self.store.create()
            self._writable.create()
            ensure_overlay_works_on(self.store.root)
            ensure_overlay_works_on(self._node_root)
            if self._registries is None:
                self._registries = read_registries(self.store.root / "registries.json")

    async def _pull(self, reference: Reference, auth: Auth | None) -> str:
        if self._puller is None:
            config = self._registries or RegistryConfig()
            self._puller = Puller(self.store, config, self._platform, self._workers, self._clock)
        record = await self._puller.pull(reference, auth)
        return record.id

    def _config(self, image_id: str) -> ImageConfig:
        record = self.store.catalogue.read().resolve(image_id)
        if record is not None:
            return self.store.config(record.id)
        known = as_image_id(image_id)
        if known is None or not self.store.content.has(known):
            raise ImageFailure(NOT_FOUND, f"image {image_id!r} is not on this node")
        return self.store.config(known)

    def _resolve(self, names: Names, reference: str) -> Record:
        record = names.resolve(reference)
        if record is None:
            raise ImageFailure(NOT_FOUND, f"image {reference!r} is not on this node")
        return record

    def _remove_image(self, reference: str) -> None:
        with failing(f"removing image {reference}", self.store.root):
            record = self.store.catalogue.read().resolve(reference)
            if record is None:
                return
            self.store.catalogue.change(lambda names: names.without_image(record.id))
            self.store.collect(self._clock.now())

    def _prepare(self, container_id: str, image_id: str) -> Rootfs:
        with _runtime_failure(f"making the writable layer of {container_id}"), self.store.adding():
            lease = self._writable.find(container_id)
            if lease is not None:
                lower = [self.store.layers.path(chain_id) for chain_id in reversed(lease.chain_ids)]
                return writable.rootfs(lease, lower)
            record = self._resolve(self.store.catalogue.read(), image_id)
            lower = self.store.lower(record)
            return self._writable.prepare(container_id, record.id, record.chain_ids, lower)


class _Flight:
    """A pull that several wait for. The last one to give up cancels it."""

    def __init__(self, task: asyncio.Task[str], abandon: Callable[[], None]) -> None:
        self.task = task
        self._abandon = abandon
        self._waiting = 0

    async def wait(self) -> str:
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if self._waiting == 1 and not self.task.done():
                self._abandon()
                self.task.cancel()
                await asyncio.wait([self.task])
            raise
        finally:
            self._waiting -= 1


@contextlib.contextmanager
def _runtime_failure(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = "no space left on the file system" if is_disk_full(error) else error.strerror or str(error)
        at = f" ({os.fspath(error.filename)!r})" if error.filename else ""
        raise RuntimeFailure("CreateContainerError", f"{doing}: {why}{at}") from error
