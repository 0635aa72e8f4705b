"""Encryption at rest as the flags ask for it.

Without --encryption-provider-config Secrets are sealed with the keys of a plain file, made on first use. With it, the
configuration decides for every resource, and the plain file's keys, if they are there, still open what they have sealed:
a cluster moves from one to the other by writing its Secrets once more (docs/security.md). Its KMS plugins are made, asked
for their health and let go here.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from api.resource import Resource
from apiserver.config_file import ConfigFileError, NotYet, follow_files, read_config
from apiserver.encryption_figures import ReloadFigures
from apiserver.http.health import Check
from apiserver.storage.encoding import Cipher
from client.logs import get_logger
from machinery.clock import Clock

if TYPE_CHECKING:  # imported where a configuration asks for it
    from prometheus_client.metrics_core import Metric

    from apiserver.storage.encryption_config import Encryption, EncryptionRules, KmsSettings
    from apiserver.storage.kms.figures import KmsFigures
    from apiserver.storage.kms.provider import KmsProvider

log = get_logger("encryption")

# As long as a replaced plugin may still be answering: the longest time that anybody gives one.
_RETIRED_S = 30.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("encryption at rest").add_argument
    add(
        "--encryption-key-file",
        default="",
        help="keys that Secrets are encrypted with at rest, base64, one a line, the first one seals "
        "(made in the data directory if missing; 'none' stores them as they are)",
    )
    add("--encryption-provider-config", type=Path, help="EncryptionConfiguration: what is encrypted, and how")
    add(
        "--encryption-provider-config-automatic-reload",
        action="store_true",
        help="read that file again when it changes",
    )


class FlaggedEncryption:
    """`start` before the first store is read, then `follow`. Raises ConfigFileError where the flags or their files cannot be
    used. `identity` is this server's name, of which metrics show a hash."""

    def __init__(
        self, options: argparse.Namespace, clock: Clock, rng: random.Random, identity: str = ""
    ) -> None:
        self._flags = options
        self._clock = clock
        self._rng = rng
        self._identity = identity
        self._figures: KmsFigures | None = None
        self._reloads = ReloadFigures(identity)
        self._plugins: dict[KmsSettings, KmsProvider] = {}
        self._encryption: Encryption | None = None
        self._secrets: Cipher | None = None
        if options.encryption_provider_config is not None:
            from apiserver.storage.cipher import own_providers
            from apiserver.storage.encryption_config import Encryption

            path = _key_file(options)
            older = own_providers(_keys(path)) if path is not None and path.exists() else []
            self._rules, content = self._read(self._plugins)
            self._reloads.applies(content)
            self._encryption = Encryption(self._rules, older)
        else:
            self._secrets = _secrets_cipher(options)

    def cipher(self, resource: Resource) -> Cipher | None:
        """What seals the resource; None where it is stored as it is."""
        group, plural = resource.gvr.group, resource.gvr.resource
        if self._encryption is None:
            return self._secrets if (group, plural) == ("", "secrets") else None
        if self._flags.encryption_provider_config_automatic_reload:
            return self._encryption.cipher(group, plural)
        named = self._rules.providers_for(group, plural) or (group, plural) == ("", "secrets")
        return self._encryption.cipher(group, plural) if named else None

    async def start(self) -> None:
        """Asks every KMS plugin for its key. One that is away is asked again by `follow`; until then what needs it fails."""
        for wrong in await self._wrong_with(self._plugins):
            log.error("a KMS plugin is not well", error=wrong)

    def checks(self) -> dict[str, Check]:
        """For /readyz, under upstream's name."""

        async def kms_providers() -> str | None:
            return ", ".join(await self._wrong_with(self._plugins)) or None

        reloads = self._encryption is not None and self._flags.encryption_provider_config_automatic_reload
        return {"kms-providers": kms_providers} if self._plugins or reloads else {}

    def families(self) -> Iterator[Metric]:
        if self._encryption is not None:
            yield from self._reloads.collect()
        if self._figures is not None:
            yield from self._figures.collect()

    async def follow(self) -> None:
        """Keeps the plugins' keys, and reads the configuration again when it changes, until cancelled; where there is neither
        plugin nor anything to follow, ends."""
        running: dict[KmsProvider, asyncio.Task[None]] = {}
        reloads = self._encryption is not None and self._flags.encryption_provider_config_automatic_reload

        async def changed() -> None:
            try:
                unused = await self._reload()
            except ConfigFileError:
                self._reloads.reloaded("failure", self._clock.now())
                raise
            self._reloads.reloaded("success", self._clock.now())
            for gone in unused:
                running.pop(gone).cancel()
                group.create_task(self._retire(gone), name="replaced KMS plugin")
            begin()

        def begin() -> None:
            for each in self._plugins.values():
                if each not in running:
                    running[each] = group.create_task(each.run(), name=f"KMS plugin {each.name}")

        async with asyncio.TaskGroup() as group:
            begin()
            if reloads:
                await follow_files([self._flags.encryption_provider_config], changed, self._clock)

    async def close(self) -> None:
        for each in self._plugins.values():
            await each.close()

    async def _reload(self) -> list[KmsProvider]:
        """Those that are no longer used. Plugins that the old configuration names the same way go on with their keys; a new one
        must be well. Raises ConfigFileError (NotYet where one is not), and then nothing has changed."""
        assert self._encryption is not None
        plugins: dict[KmsSettings, KmsProvider] = {}
        rules, content = self._read(plugins)
        new = {settings: each for settings, each in plugins.items() if settings not in self._plugins}
        if wrong := await self._wrong_with(new):
            for each in new.values():
                await each.close()
            raise NotYet(f"{self._flags.encryption_provider_config}: {', '.join(wrong)}")
        gone = [each for settings, each in self._plugins.items() if settings not in plugins]
        self._encryption.replace(rules)
        self._rules, self._plugins = rules, plugins
        self._reloads.applies(content)
        return gone

    async def _retire(self, plugin: KmsProvider) -> None:
        """What it is asked at the moment is still answered."""
        try:
            await self._clock.sleep(_RETIRED_S)
        finally:
            await plugin.close()

    async def _wrong_with(self, plugins: Mapping[KmsSettings, KmsProvider]) -> list[str]:
        found = await asyncio.gather(*(each.check() for each in plugins.values()))
        return [wrong for wrong in found if wrong]

    def _read(self, plugins: dict[KmsSettings, KmsProvider]) -> tuple[EncryptionRules, bytes]:
        """The configuration, and its file's bytes. Puts what it makes, or takes over, into `plugins`."""
        from apiserver.storage.encryption_config import SHAPE, parse_config

        def make_kms(settings: KmsSettings) -> KmsProvider:
            made = plugins[settings] = self._plugins.get(settings) or self._plugin(settings)
            return made

        path = self._flags.encryption_provider_config
        rules = read_config(path, SHAPE, lambda obj: parse_config(obj, make_kms))
        try:
            return rules, path.read_bytes()
        except OSError as error:
            raise ConfigFileError(f"{path} cannot be read: {error}") from error

    def _plugin(self, settings: KmsSettings) -> KmsProvider:
        from apiserver.storage.kms.figures import KmsFigures
        from apiserver.storage.kms.plugin import Plugin
        from apiserver.storage.kms.provider import KmsProvider

        if self._figures is None:
            self._figures = KmsFigures(self._identity)
        name, figures = settings.name, self._figures
        plugin = Plugin(name, settings.endpoint, settings.timeout_s, self._clock, figures)
        return KmsProvider(name, plugin, self._clock, self._rng, figures)


def _key_file(options: argparse.Namespace) -> Path | None:
    if options.encryption_key_file == "none":
        return None
    return Path(options.encryption_key_file or options.data_dir / "encryption.key")


def _secrets_cipher(options: argparse.Namespace) -> Cipher | None:
    """By the plain file's keys; nothing for a store that is never at rest."""
    path = _key_file(options)
    if path is None or (options.store == "memory" and not options.encryption_key_file):
        return None
    from apiserver.storage.cipher import AesGcmCipher, CipherError, new_key

    if not path.exists():
        _write_key(path, base64.b64encode(new_key()) + b"\n")
    try:
        return AesGcmCipher(_keys(path))
    except CipherError as error:
        raise ConfigFileError(
            f"{path}: {error}. Restore it; where no Secret was ever stored, remove it to have a new one made"
        ) from error


def _keys(path: Path) -> list[bytes]:
    try:
        return [base64.b64decode(line, validate=True) for line in path.read_bytes().split()]
    except (OSError, ValueError) as error:
        raise ConfigFileError(f"{path} does not hold base64 keys: {error}") from error


def _write_key(path: Path, content: bytes) -> None:
    """Whole or not at all: Secrets that were encrypted with a lost key are lost too. Of several servers that begin at once
    the first one's stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(part)
    part.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
