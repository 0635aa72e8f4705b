"""A pull: reference → manifest for this platform → config and layers → an image in the store.

Layers are fetched several at a time and unpacked from the lowest up as they arrive. The store is held
(shared) for the whole pull, so a clean-up cannot take what has no name yet. Cancelling cuts the lines and
returns when nothing is being written any more; what was fetched stays for the next try.
Raises ImageFailure with kubelet's words for reasons; the message names image, registry and cause.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from machinery.clock import Clock
from runtime.cri import Auth, ImageFailure
from runtime.images.challenge import Credentials
from runtime.images.content import verify
from runtime.images.endpoints import RegistryConfig, plan_endpoints
from runtime.images.failures import PULL_FAILED, UNAVAILABLE, Stopped, failing, pull_failure
from runtime.images.manifest import (
    ACCEPT,
    CONFIG_LIMIT_BYTES,
    INDEXES,
    MANIFEST_LIMIT_BYTES,
    Descriptor,
    ImageSpec,
    Manifest,
    Platform,
    choose,
    document_type,
    fits,
    parse_config,
    parse_index,
    parse_manifest,
)
from runtime.images.metadata import Record
from runtime.images.reference import Reference, is_digest
from runtime.images.registry import Document, Refused, Registry
from runtime.images.store import ImageStore, check_layers
from runtime.images.transfer import Http, HttpOptions, LineError
from runtime.images.workers import Stop, Workers

T = TypeVar("T")

_DOWNLOADS_AT_ONCE = 3
_MAX_INDEX_DEPTH = 3


class Puller:
    def __init__(
        self, store: ImageStore, config: RegistryConfig, platform: Platform, workers: Workers, clock: Clock
    ) -> None:
        self._store = store
        self._config = config
        self._platform = platform
        self._workers = workers
        self._clock = clock
        self._http = Http(HttpOptions(ca_files=config.ca_files))
        self._credentials = Credentials()

    async def pull(self, reference: Reference, auth: Auth | None) -> Record:
        stop = Stop()
        endpoints = plan_endpoints(reference, self._config, auth)
        registries = [
            Registry(endpoint, self._http, self._credentials, self._workers, self._clock, stop)
            for endpoint in endpoints
        ]
        held = await self._workers.run("quick", self._store.hold)
        try:
            with failing(f"pulling {reference}", self._store.root):
                return await _Pull(self, reference, registries, stop).run()
        finally:
            os.close(held)


class _Pull:
    def __init__(self, puller: Puller, reference: Reference, registries: list[Registry], stop: Stop) -> None:
        self._store = puller._store
        self._workers = puller._workers
        self._clock = puller._clock
        self._platform = puller._platform
        self._reference = reference
        self._registries = registries
        self._stop = stop
        self._downloads = asyncio.Semaphore(_DOWNLOADS_AT_ONCE)

    async def run(self) -> Record:
        top, indexes, manifest_digest = await self._resolve()
        manifest, spec = await self._describe(manifest_digest)
        try:
            async with asyncio.TaskGroup() as group:
                fetched = {layer.digest: group.create_task(self._blob(layer)) for layer in manifest.layers}
                for index, layer in enumerate(manifest.layers):
                    await fetched[layer.digest]
                    await self._workers.run("heavy", self._unpacking(manifest, spec, index), self._stop)
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        tag = [] if self._reference.digest else [str(self._reference)]
        now = self._clock.now()
        return await self._workers.run(
            "heavy",
            lambda: self._store.install(
                manifest_digest,
                tags=tag,
                digests=[str(self._reference.with_digest(top))],
                also_keep=indexes,
                now=now,
                is_stopped=self._stop.is_set,
            ),
            self._stop,
        )

    async def _resolve(self) -> tuple[str, list[str], str]:
        """The digest the reference stands for, the indexes on the way, the manifest for this platform."""
        indexes: list[str] = []
        target = self._reference.target
        expected = self._reference.digest
        top = ""
        for _ in range(_MAX_INDEX_DEPTH):
            document = await self._document(target)
            digest = await self._workers.run("quick", partial(self._keep, document, expected))
            top = top or self._reference.digest or digest
            if document_type(document.data, document.media_type) not in INDEXES:
                return top, indexes, digest
            indexes.append(digest)
            target = expected = choose(parse_index(document.data), self._platform).digest
        raise pull_failure(f"the index of {self._reference} is nested too deep")

    def _keep(self, document: Document, expected: str) -> str:
        """`expected` is what a reference or an index named; else the registry's own word is held to it."""
        digest = expected or document.digest
        if expected or is_digest(digest):
            verify(document.data, digest)
        return self._store.content.put(document.data)

    async def _describe(self, manifest_digest: str) -> tuple[Manifest, ImageSpec]:
        manifest = parse_manifest(self._store.content.read(manifest_digest, MANIFEST_LIMIT_BYTES))
        if manifest.config.size_bytes > CONFIG_LIMIT_BYTES:
            raise pull_failure(f"the image's config is larger than {CONFIG_LIMIT_BYTES} bytes")
        for layer in manifest.layers:
            if layer.size_bytes > self._store.limits.blob_bytes:
                raise pull_failure(
                    f"layer {layer.digest} of {layer.size_bytes} bytes is larger than the limit"
                )
        await self._blob(manifest.config)
        spec = parse_config(self._store.content.read(manifest.config.digest, CONFIG_LIMIT_BYTES))
        check_layers(manifest, spec)
        if not fits(spec.platform, self._platform):
            raise pull_failure(f"no match for platform {self._platform}: the image is for {spec.platform}")
        return manifest, spec

    def _unpacking(self, manifest: Manifest, spec: ImageSpec, index: int) -> Callable[[], None]:
        return lambda: self._store.ensure_layer(manifest, spec, index, self._stop.is_set)

    async def _document(self, target: str) -> Document:
        repository = self._reference.repository
        return await self._from_any(lambda r: r.document(repository, target, ACCEPT, MANIFEST_LIMIT_BYTES))

    async def _blob(self, blob: Descriptor) -> None:
        if self._store.content.has(blob.digest):
            return
        async with self._downloads:
            await self._from_any(lambda r: r.blob(self._reference.repository, blob, self._store.content))

    async def _from_any(self, fetch: Callable[[Registry], Awaitable[T]]) -> T:
        """From the first address that gives it. A mirror's refusal counts only where nobody else is left."""
        for registry in self._registries[:-1]:
            try:
                return await fetch(registry)
            except (LineError, Refused, ImageFailure):
                continue
        try:
            return await fetch(self._registries[-1])
        except Refused as error:
            raise pull_failure(f'failed to pull image "{self._reference}": {error}') from error
        except LineError as error:
            text = f'failed to pull image "{self._reference}": registry unavailable: {error}'
            raise ImageFailure(UNAVAILABLE, text + _advice(self._reference)) from error


def _advice(reference: Reference) -> str:
    """Most who name an image on localhost have no registry there, and mean one that is laid in by hand."""
    if reference.registry.partition(":")[0] != "localhost":
        return ""
    return (
        ". Without a registry on this machine, lay the image in by `kctl images import FILE`, "
        f"or make a small one by `kctl images build-busybox --tag {reference}`"
    )


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """What to tell of several: an ImageFailure before others, never that work was told to stop."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = [failures]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            leaves.append(error)
    for error in leaves:
        if isinstance(error, ImageFailure):
            return error
    told = [error for error in leaves if not isinstance(error, Stopped)]
    return told[0] if told else ImageFailure(PULL_FAILED, "the pull was stopped")
