"""A KMS plugin as one of a resource's providers: values are sealed by data keys, and data keys by the plugin.

    Status every minute ──► the plugin's key id ──► is it another? ──► a new data key, sealed by Encrypt
                                  │                                           │
             writes stop 3 min after the last good one            seals what is written from now on
    stored value ──► its data key's source ──► at hand, or asked of the plugin by Decrypt (fetch_key) ──► opened

The data key is the same until the plugin's key changes or the process ends: the plugin is not asked for each write, and after a
start once for each data key that anything is stored under. Who reads what was opened once never waits for the plugin.

Invariants:
* `seal` and `open` never wait. What `lacks_key` says is missing must be fetched before it is opened.
* A value is stale (written again with its next update) unless it lies under the key that the plugin uses now.
* The state is replaced whole, and only by one whose key id is what both Status and Encrypt have named.

Source: KEP-3299, apiserver's encryptionconfig and envelope/kmsv2.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import dataclass, replace

from apiserver.backends.backend import KeyUnavailable
from apiserver.storage.cipher import UPSTREAM_MAGIC
from apiserver.storage.kms.data_keys import DataKey, SeedKey, data_key, new_seed
from apiserver.storage.kms.figures import FROM_STORAGE, TO_STORAGE, KmsFigures
from apiserver.storage.kms.messages import (
    SEED,
    BadEnvelope,
    KeySource,
    Status,
    check_source,
    encrypted_object,
    key_id_hash,
    read_object,
    source_fields,
    wrong_key_id,
)
from apiserver.storage.kms.plugin import KeyService, PluginError
from client.logs import get_logger
from machinery.clock import Clock, rfc3339

log = get_logger("kms")

API_VERSIONS = ("v2", "v2beta1")  # in the plugin's words; they mean the same
EVERY_S, AGAIN_S = 60.0, 10.0  # how often the plugin is asked, while it is well and while it is not
WRITABLE_S = 180.0  # how long writes go on without a good answer
REMEMBERED_S = 24 * 3600.0  # how long an opened data key is kept after its last use
_CHECKED_S, _FAILED_S = 20.0, 3.0  # how long an answer stands for those who ask after its health


class Unhealthy(Exception):
    """What is wrong with the plugin, in words."""


@dataclass(frozen=True, slots=True)
class _WriteKey:
    source: KeySource
    key: SeedKey
    following: bytes  # the source as it is stored
    expires_s: float  # by the monotonic clock


class KmsProvider:
    """Implements apiserver.storage.cipher.Provider. `check` once before use, then `run` until cancelled."""

    def __init__(
        self, name: str, service: KeyService, clock: Clock, rng: random.Random, figures: KmsFigures
    ) -> None:
        self.name = name
        self.prefix = UPSTREAM_MAGIC + f"kms:v2:{name}:".encode()
        self._service = service
        self._clock = clock
        self._rng = rng
        self._figures = figures
        self._write: _WriteKey | None = None
        self._known: dict[KeySource, tuple[DataKey, float]] = {}  # (key, used last), the longest unused first
        self._fetching: dict[KeySource, asyncio.Future[None]] = {}
        self._version = ""
        self._checking = asyncio.Lock()
        self._checked: tuple[float, str] | None = None  # (until when it stands, what is wrong)

    # Sealing and opening

    @property
    def seals_as(self) -> bytes:
        return self.prefix + (_name_of(self._write.source) if self._write is not None else b"")

    def seal(self, key: bytes, value: bytes) -> bytes:
        """Raises KeyUnavailable."""
        write = self._write
        if write is None:
            raise KeyUnavailable(
                f"kms plugin {self.name} has not yet sealed a key to encrypt with: {self._last_words}"
            )
        now_s = self._clock.monotonic()
        if now_s > write.expires_s:
            now = self._clock.now()
            raise KeyUnavailable(
                f'encryptedDEKSource with keyID hash "{key_id_hash(write.source.key_id)}" expired at '
                f"{rfc3339(now - now_s + write.expires_s)} (current time is {rfc3339(now)}): "
                f"kms plugin {self.name}: {self._last_words}"
            )
        self._remember(write.source, write.key)
        self._figures.used(TO_STORAGE, self.name, write.source.key_id, self._clock.now())
        return encrypted_object(write.key.seal(key, value), write.following)

    def open(self, key: bytes, sealed: bytes) -> bytes:
        """Raises any exception where the bytes were changed, or their data key was not fetched."""
        data, source = read_object(sealed)
        known, _ = self._known[source]
        opened = known.open(key, data)
        self._figures.used(FROM_STORAGE, self.name, source.key_id, self._clock.now())
        return opened

    def sealed_by(self, sealed: bytes) -> bytes:
        return self.prefix + _name_of(read_object(sealed)[1])

    def lacks_key(self, sealed: bytes) -> bool:
        """Bytes that cannot be read lack nothing that could be fetched."""
        try:
            _, source = read_object(sealed)
        except BadEnvelope:
            return False
        known = self._known.get(source)
        if known is None:
            return True
        self._remember(source, known[0])
        return False

    async def fetch_key(self, sealed: bytes) -> None:
        """Asks the plugin once, however many ask for the same. Raises KeyUnavailable."""
        _, source = read_object(sealed)
        while source not in self._known:
            under_way = self._fetching.get(source)
            if under_way is not None:
                await asyncio.wait([under_way])
                continue
            done = self._fetching[source] = asyncio.get_running_loop().create_future()
            try:
                await self._fetch(source)
            finally:
                del self._fetching[source]
                done.set_result(None)

    async def _fetch(self, source: KeySource) -> None:
        try:
            secret = await self._service.decrypt(self._uid(), source)
            self._remember(source, data_key(source.kind, secret))
        except (PluginError, ValueError) as error:
            raise KeyUnavailable(f"kms plugin {self.name}: failed to decrypt DEK, error: {error}") from error

    def _remember(self, source: KeySource, key: DataKey) -> None:
        now_s = self._clock.monotonic()
        self._known.pop(source, None)
        self._known[source] = (key, now_s)
        while (oldest := next(iter(self._known.items())))[1][1] < now_s - REMEMBERED_S:
            del self._known[oldest[0]]
        self._figures.cached(self.name, len(self._known))

    # The plugin's health, and its key

    async def run(self) -> None:
        """Keeps the key up to date until cancelled."""
        while True:
            await self._clock.sleep(AGAIN_S if self._last_words else EVERY_S)
            before = self._last_words
            wrong = await self.check(anew=True)
            if wrong and not before:
                log.error("a KMS plugin is not well", plugin=self.name, error=wrong)
            elif before and not wrong:
                log.info("a KMS plugin is well again", plugin=self.name)

    async def check(self, *, anew: bool = False) -> str:
        """What is wrong with the plugin; "" where nothing is. A new answer stands for a while, unless `anew`."""
        async with self._checking:
            if not anew and self._checked is not None and self._clock.monotonic() < self._checked[0]:
                return self._checked[1]
            try:
                await self._ask()
                wrong = ""
            except Unhealthy as error:
                wrong = str(error)
            stands_s = _FAILED_S if wrong else _CHECKED_S
            self._checked = (self._clock.monotonic() + stands_s, wrong)
            return wrong

    async def close(self) -> None:
        self._figures.forget(self.name)
        await self._service.close()

    @property
    def _last_words(self) -> str:
        return self._checked[1] if self._checked is not None else "it was not asked yet"

    async def _ask(self) -> None:
        """Raises Unhealthy."""
        began_s = self._clock.monotonic()
        try:
            status = await self._service.status()
        except PluginError as error:
            raise Unhealthy(
                f"failed to perform status section of the healthz check for KMS Provider {self.name}, error: {error}"
            ) from error
        wrong = self._wrong_with(status)
        kind, words = wrong_key_id(status.key_id)
        if kind:
            self._figures.wrong_key_id(self.name, kind)
            wrong.append(f'got invalid KMSv2 KeyID hash "{key_id_hash(status.key_id)}": {words}')
        else:
            self._figures.told(self.name, status.key_id, self._clock.now())
            try:
                await self._keep_key(status.key_id, began_s + WRITABLE_S)
            except Unhealthy as error:
                wrong.append(str(error))
        if wrong:
            raise Unhealthy(f"kmsv2 Provider {self.name} is not healthy, error: {', '.join(wrong)}")

    def _wrong_with(self, status: Status) -> list[str]:
        wrong = []
        if status.healthz != "ok":
            wrong.append(f"got unexpected healthz status: {status.healthz}")
        if status.version not in API_VERSIONS:
            wrong.append(f"expected KMSv2 API version {API_VERSIONS[0]}, got {status.version}")
        else:
            self._version = self._version or status.version
            if self._version != status.version:
                wrong.append(
                    "KMSv2 API version should not change after the initial status response version "
                    f"{self._version}, got {status.version}"
                )
        return wrong

    async def _keep_key(self, key_id: str, expires_s: float) -> None:
        """The data key goes on, or is replaced where the plugin's key is another. Raises Unhealthy; the old one then
        seals until it expires."""
        if self._write is not None and self._write.source.key_id == key_id:
            self._write = replace(self._write, expires_s=expires_s)
            return
        seed = new_seed()
        try:
            sealed = await self._service.encrypt(self._uid(), seed)
            source = KeySource(SEED, sealed.ciphertext, sealed.key_id, sealed.annotations)
            check_source(source)
        except (PluginError, BadEnvelope) as error:
            raise Unhealthy(f"failed to rotate DEK: failed to encrypt DEK, error: {error}") from error
        if source.key_id != key_id:
            raise Unhealthy(
                f'failed to rotate DEK: statusKeyIDHash="{key_id_hash(key_id)}", '
                f'encryptKeyIDHash="{key_id_hash(source.key_id)}"'
            )
        key = SeedKey(seed)
        self._remember(source, key)
        self._write = _WriteKey(source, key, source_fields(source), expires_s)
        log.info("a new data key seals from now on", plugin=self.name, key=key_id_hash(key_id))

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))


def _name_of(source: KeySource) -> bytes:
    """Who sealed: the plugin's key, and in which way."""
    return source.key_id.encode() if source.kind == SEED else f"{source.key_id}:{source.kind}".encode()
