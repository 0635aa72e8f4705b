"""Encryption at rest as the flags ask for it.

Without --encryption-provider-config Secrets are sealed with the keys of a plain file, made on first use. With it, the
configuration decides for every resource, and the plain file's keys, if they are there, still open what they have sealed:
a cluster moves from one to the other by writing its Secrets once more (docs/security.md).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from api.resource import Resource
from apiserver.config_file import ConfigFileError, follow_files, read_config
from apiserver.storage.encoding import Cipher
from machinery.clock import Clock

if TYPE_CHECKING:
    from apiserver.storage.encryption_config import Encryption, EncryptionRules


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
    """Raises ConfigFileError where the flags or their files cannot be used."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._flags = options
        self._encryption: Encryption | None = None
        self._secrets: Cipher | None = None
        if options.encryption_provider_config is not None:
            from apiserver.storage.cipher import own_providers
            from apiserver.storage.encryption_config import Encryption

            path = _key_file(options)
            older = own_providers(_keys(path)) if path is not None and path.exists() else []
            self._rules = self._read()
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

    async def follow(self, clock: Clock) -> None:
        """Reads the configuration again when it changes, until cancelled; where it is not to be followed, ends."""
        encryption = self._encryption
        if encryption is None or not self._flags.encryption_provider_config_automatic_reload:
            return

        def changed() -> None:
            encryption.replace(self._read())

        await follow_files([self._flags.encryption_provider_config], changed, clock)

    def _read(self) -> EncryptionRules:
        from apiserver.storage.encryption_config import SHAPE, parse_config

        return read_config(self._flags.encryption_provider_config, SHAPE, parse_config)


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
