"""Encryption at rest: what is stored is sealed by one provider, and opened by whichever of several has sealed it.

    k8s:enc:aescbc:v1:KEYNAME:    | iv (16) | ciphertext, padded         upstream's forms, so that a store
    k8s:enc:aesgcm:v1:KEYNAME:    | nonce (12) | ciphertext and tag      can be taken over from there
    k8s:enc:secretbox:v1:KEYNAME: | nonce (24) | ciphertext and tag
    k8s:enc:kms:v2:NAME:          | an envelope (kms/)
    kctl:aesgcm:1: | key id (4) | nonce (12) | ciphertext and tag        with keys of a plain file

AES-GCM binds the bytes to their storage key, so that none can be swapped. The first provider seals; a key is replaced by
putting the new one first and writing everything once more. What was stored before encryption was on is plain JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Protocol

OWN_MAGIC = b"kctl:aesgcm:1:"
UPSTREAM_MAGIC = b"k8s:enc:"
KEY_BYTES = 32
_ID, _NONCE, _BLOCK = 4, 12, 16


class CipherError(Exception):
    """A stored value cannot be opened, or a key cannot be used; says which."""


class Provider(Protocol):
    """One key, or a plugin with many. `prefix` is what its sealed values begin with."""

    prefix: bytes

    @property
    def seals_as(self) -> bytes:
        """Its key's name, for "who sealed this"."""
        ...

    def sealed_by(self, sealed: bytes) -> bytes:
        """The name of the key that these, which `open` could open, were sealed with."""
        ...

    def lacks_key(self, sealed: bytes) -> bool:
        """Whether `fetch_key` must be awaited before these are opened."""
        ...

    async def fetch_key(self, sealed: bytes) -> None: ...

    def seal(self, key: bytes, value: bytes) -> bytes:
        """What comes after the prefix; `key` is the storage key."""
        ...

    def open(self, key: bytes, sealed: bytes) -> bytes:
        """Raises any exception where the bytes were changed."""
        ...


class KeyAtHand:
    """What providers have in common whose one key is given."""

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix

    @property
    def seals_as(self) -> bytes:
        return self.prefix

    def sealed_by(self, sealed: bytes) -> bytes:
        return self.prefix

    def lacks_key(self, sealed: bytes) -> bool:
        return False

    async def fetch_key(self, sealed: bytes) -> None:
        return None


class AesGcm(KeyAtHand):
    def __init__(self, prefix: bytes, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        super().__init__(prefix)
        self._aead = AESGCM(key)

    def seal(self, key: bytes, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._aead.encrypt(nonce, value, key)

    def open(self, key: bytes, sealed: bytes) -> bytes:
        return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], key)


class AesCbc(KeyAtHand):
    """Unauthenticated: whoever can write the store can change what is read. Upstream's advice is another provider."""

    def __init__(self, prefix: bytes, key: bytes) -> None:
        super().__init__(prefix)
        self._key = key

    def _cipher(self, iv: bytes) -> Any:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        return Cipher(algorithms.AES(self._key), modes.CBC(iv))

    def seal(self, key: bytes, value: bytes) -> bytes:
        iv, padding = os.urandom(_BLOCK), _BLOCK - len(value) % _BLOCK
        encryptor = self._cipher(iv).encryptor()
        sealed: bytes = encryptor.update(value + bytes([padding]) * padding) + encryptor.finalize()
        return iv + sealed

    def open(self, key: bytes, sealed: bytes) -> bytes:
        decryptor = self._cipher(sealed[:_BLOCK]).decryptor()
        padded: bytes = decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()
        padding = padded[-1] if padded else 0
        if not 1 <= padding <= _BLOCK or padded[-padding:] != bytes([padding]) * padding:
            raise ValueError("invalid padding")
        return padded[:-padding]


class SecretBox(KeyAtHand):
    def __init__(self, prefix: bytes, key: bytes) -> None:
        from nacl.secret import SecretBox as Box

        super().__init__(prefix)
        self._box = Box(key)

    def seal(self, key: bytes, value: bytes) -> bytes:
        return bytes(self._box.encrypt(value))

    def open(self, key: bytes, sealed: bytes) -> bytes:
        return bytes(self._box.decrypt(sealed))


class Identity(KeyAtHand):
    """As it is. Among the providers, plain values are readable; as the first, they are written."""

    def __init__(self) -> None:
        super().__init__(b"")

    def seal(self, key: bytes, value: bytes) -> bytes:
        return value

    def open(self, key: bytes, sealed: bytes) -> bytes:
        return sealed


class ProviderCipher:
    """Implements apiserver.storage.encoding.Cipher."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._first = providers[0]
        self._readers = [each for each in providers if each.prefix]
        self._plain = any(not each.prefix for each in providers)
        self._keys_at_hand = all(isinstance(each, KeyAtHand) for each in providers)

    @property
    def seals_as(self) -> bytes:
        return self._first.seals_as

    def lacking(self, sealed: Iterable[bytes]) -> list[bytes]:
        if self._keys_at_hand:
            return []
        return [
            each for each in sealed if (one := self._reader(each)) and one.lacks_key(each[len(one.prefix) :])
        ]

    async def fetch_keys(self, sealed: Iterable[bytes]) -> None:
        for each in sealed:
            if (one := self._reader(each)) is not None:
                await one.fetch_key(each[len(one.prefix) :])

    def _reader(self, sealed: bytes) -> Provider | None:
        return next((each for each in self._readers if sealed.startswith(each.prefix)), None)

    def seal(self, key: str, value: bytes) -> bytes:
        return self._first.prefix + self._first.seal(key.encode(), value)

    def open(self, key: str, sealed: bytes) -> tuple[bytes, bytes]:
        """(the value, the name of the key that sealed it). Raises CipherError."""
        provider = self._reader(sealed)
        if provider is not None:
            content = sealed[len(provider.prefix) :]
            try:
                return provider.open(key.encode(), content), provider.sealed_by(content)
            except Exception as error:  # each library has errors of its own, and all mean the same
                raise CipherError(f"{key} cannot be decrypted: its stored bytes were changed") from error
        if sealed.startswith((OWN_MAGIC, UPSTREAM_MAGIC)):
            raise CipherError(f"{key} was encrypted with a key that is not among those given")
        if not self._plain:
            raise CipherError(f"{key} is stored unencrypted, and no identity provider lets it be read")
        return sealed, b""


class AesGcmCipher(ProviderCipher):
    """With the keys of a plain file; plain values stay readable."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        super().__init__([*own_providers(keys), Identity()])


def own_providers(keys: Sequence[bytes]) -> list[Provider]:
    """Raises CipherError."""
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise CipherError(f"encryption at rest needs keys of {KEY_BYTES} bytes each")
    return [AesGcm(OWN_MAGIC + sha256(key).digest()[:_ID], key) for key in keys]


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)
