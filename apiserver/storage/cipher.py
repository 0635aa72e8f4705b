"""Encryption at rest: AES-256-GCM over stored bytes, each bound to its key, so that none can be swapped.

    kctl:aesgcm:1: | key id (4 bytes) | nonce (12) | ciphertext and tag

The first key seals, all of them open, so a key is replaced by putting the new one first and rewriting.
What was stored before encryption was on is plain JSON and read as such.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256

MAGIC = b"kctl:aesgcm:1:"
KEY_BYTES = 32
_ID, _NONCE = 4, 12


class CipherError(Exception):
    """A stored value cannot be opened, or a key cannot be used; says which."""


class AesGcmCipher:
    """Implements apiserver.storage.cacher.Cipher."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise CipherError(f"encryption at rest needs keys of {KEY_BYTES} bytes each")
        self._keys = {sha256(key).digest()[:_ID]: AESGCM(key) for key in keys}
        self._current = sha256(keys[0]).digest()[:_ID]

    def seal(self, key: str, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        sealed = self._keys[self._current].encrypt(nonce, value, key.encode())
        return b"".join((MAGIC, self._current, nonce, sealed))

    def open(self, key: str, sealed: bytes) -> bytes:
        """Raises CipherError."""
        from cryptography.exceptions import InvalidTag

        if not sealed.startswith(MAGIC):
            return sealed
        at = len(MAGIC)
        key_id, nonce = sealed[at : at + _ID], sealed[at + _ID : at + _ID + _NONCE]
        cipher = self._keys.get(key_id)
        if cipher is None:
            raise CipherError(f"{key} was encrypted with a key that is not among those given")
        try:
            return cipher.decrypt(nonce, sealed[at + _ID + _NONCE :], key.encode())
        except InvalidTag:
            raise CipherError(f"{key} cannot be decrypted: its stored bytes were changed") from None


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)
