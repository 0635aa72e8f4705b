"""Data keys: what values are sealed with, once the plugin has opened them.

    seed key:   info (32, random) | nonce (12) | ciphertext and tag     the AES-GCM key is HKDF-Expand(seed, info)
    plain key:  nonce (12) | ciphertext and tag                         written by upstream before 1.29; read only

A key for each value makes one seed good for any number of them. The storage key is the authenticated data: a value that is
moved to another place does not open. Every failure to open is an exception of whoever notices it; all mean the same.

Source: apiserver's encrypt/aes, "extended nonce".
"""

from __future__ import annotations

import os
from typing import Protocol

from apiserver.storage.kms.messages import SEED

_INFO, _NONCE, _KEY, _SEED_MIN = 32, 12, 32, 32


class DataKey(Protocol):
    def open(self, key: bytes, sealed: bytes) -> bytes: ...


class SeedKey:
    def __init__(self, seed: bytes) -> None:
        if len(seed) < _SEED_MIN:
            raise ValueError(f"invalid seed length {len(seed)} used for key generation")
        self._seed = seed

    def seal(self, key: bytes, value: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        info, nonce = os.urandom(_INFO), os.urandom(_NONCE)
        return info + nonce + AESGCM(self._derived(info)).encrypt(nonce, value, key)

    def open(self, key: bytes, sealed: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(sealed) < _INFO + _NONCE:
            raise ValueError("the stored data was shorter than the required size")
        info, nonce = sealed[:_INFO], sealed[_INFO : _INFO + _NONCE]
        return AESGCM(self._derived(info)).decrypt(nonce, sealed[_INFO + _NONCE :], key)

    def _derived(self, info: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

        return HKDFExpand(SHA256(), _KEY, info).derive(self._seed)


class PlainKey:
    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._aead = AESGCM(secret)

    def open(self, key: bytes, sealed: bytes) -> bytes:
        if len(sealed) < _NONCE:
            raise ValueError("the stored data was shorter than the required size")
        return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], key)


def new_seed() -> bytes:
    return os.urandom(_SEED_MIN)


def data_key(kind: int, secret: bytes) -> DataKey:
    """What the plugin has opened, by its source's kind. Raises ValueError."""
    return SeedKey(secret) if kind == SEED else PlainKey(secret)
