"""What is stored, and what is said to a KMS plugin: the v2 messages, to bytes and back.

    stored:  k8s:enc:kms:v2:NAME: | EncryptedObject      the value, and the data key's source, which only the plugin can open
    spoken:  /v2.KeyManagementService/Status, Encrypt, Decrypt

Field numbers are upstream's (k8s.io/kms/apis/v2, apiserver's EncryptedObject) and never change. A source names where a data
key comes from, and is therefore also what an opened data key is remembered by. Its limits are upstream's: what a plugin may not
say is refused before it is stored, and what cannot have been stored is refused when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from machinery.codec.wire import BYTES, VARINT, ProtobufError, bytes_field, fields, int_field, message_field
from machinery.names import dns1123_subdomain

AES_GCM_KEY, SEED = (
    0,
    1,
)  # EncryptedDEKSourceType: the data key itself, or what a key for each value is derived from
_ANNOTATIONS_MAX = 32 * 1024
_KEY_ID_MAX = 1024
_SOURCE_MAX = 1024
Annotations = tuple[tuple[str, bytes], ...]  # in the order of their names


class BadEnvelope(Exception):
    """Stored bytes, or a plugin's answer, that are no such message or break its limits."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """A data key as the plugin has sealed it."""

    kind: int
    encrypted: bytes
    key_id: str
    annotations: Annotations = ()


@dataclass(frozen=True, slots=True)
class Status:
    version: str
    healthz: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """The plugin's answer to Encrypt."""

    ciphertext: bytes
    key_id: str
    annotations: Annotations


def wrong_key_id(key_id: str) -> tuple[str, str]:
    """(upstream's short name of what is wrong, in words); two empty ones where nothing is."""
    size = len(key_id.encode())
    if not size:
        return "empty", "keyID is empty"
    if size > _KEY_ID_MAX:
        return "too_long", f"keyID is {size} bytes, which exceeds the max size of {_KEY_ID_MAX}"
    return "", ""


def key_id_hash(key_id: str) -> str:
    """How a key is named to people: key ids need not be public."""
    return f"sha256:{sha256(key_id.encode()).hexdigest()}" if key_id else ""


def check_source(source: KeySource) -> None:
    """Raises BadEnvelope."""
    if source.kind not in (AES_GCM_KEY, SEED):
        raise BadEnvelope(f"unknown encryptedDEKSourceType: {source.kind}")
    size = len(source.encrypted)
    if not size:
        raise BadEnvelope("failed to validate encrypted DEK source: encrypted DEK source is empty")
    if size > _SOURCE_MAX:
        raise BadEnvelope(
            f"failed to validate encrypted DEK source: encrypted DEK source is {size} bytes, which exceeds "
            f"the max size of {_SOURCE_MAX}"
        )
    if wrong := wrong_key_id(source.key_id)[1]:
        raise BadEnvelope(f"failed to validate key id: {wrong}")
    for name, _ in source.annotations:
        bare = name.removesuffix(".")
        if dns1123_subdomain(bare) or "." not in bare:
            raise BadEnvelope(
                f"failed to validate annotations: {name!r} should be a domain with at least two segments "
                "separated by dots"
            )
    total = sum(len(name.encode()) + len(value) for name, value in source.annotations)
    if total > _ANNOTATIONS_MAX:
        raise BadEnvelope(
            f"failed to validate annotations: total size of annotations is {total}, which exceeds the max "
            f"size of {_ANNOTATIONS_MAX}"
        )


def source_fields(source: KeySource) -> bytes:
    """What follows the value in EncryptedObject: the same for all that one data key seals."""
    return (
        bytes_field(2, source.key_id.encode())
        + bytes_field(3, source.encrypted)
        + _annotation_fields(4, source.annotations)
        + int_field(5, source.kind)
    )


def encrypted_object(data: bytes, following: bytes) -> bytes:
    return bytes_field(1, data) + following


def read_object(stored: bytes) -> tuple[bytes, KeySource]:
    """(the encrypted value, where its data key comes from). Raises BadEnvelope."""
    data, key_id, encrypted, kind = b"", "", b"", AES_GCM_KEY
    annotations: dict[str, bytes] = {}
    for number, wire, value, raw in _fields(stored):
        if number == 1 and wire == BYTES:
            data = bytes(raw)
        elif number == 2 and wire == BYTES:
            key_id = _text(raw)
        elif number == 3 and wire == BYTES:
            encrypted = bytes(raw)
        elif number == 4 and wire == BYTES:
            _annotation(raw, annotations)
        elif number == 5 and wire == VARINT:
            kind = value
    if not data:
        raise BadEnvelope("encrypted data is empty")
    source = KeySource(kind, encrypted, key_id, tuple(sorted(annotations.items())))
    check_source(source)
    return data, source


def encrypt_request(plaintext: bytes, uid: str) -> bytes:
    return bytes_field(1, plaintext) + bytes_field(2, uid.encode())


def decrypt_request(source: KeySource, uid: str) -> bytes:
    return (
        bytes_field(1, source.encrypted)
        + bytes_field(2, uid.encode())
        + bytes_field(3, source.key_id.encode())
        + _annotation_fields(4, source.annotations)
    )


def status_answer(message: bytes) -> Status:
    found = {number: _text(raw) for number, wire, _, raw in _fields(message) if wire == BYTES and number <= 3}
    return Status(found.get(1, ""), found.get(2, ""), found.get(3, ""))


def encrypt_answer(message: bytes) -> Sealed:
    ciphertext, key_id = b"", ""
    annotations: dict[str, bytes] = {}
    for number, wire, _, raw in _fields(message):
        if wire != BYTES:
            continue
        if number == 1:
            ciphertext = bytes(raw)
        elif number == 2:
            key_id = _text(raw)
        elif number == 3:
            _annotation(raw, annotations)
    return Sealed(ciphertext, key_id, tuple(sorted(annotations.items())))


def decrypt_answer(message: bytes) -> bytes:
    plaintext = b""
    for number, wire, _, raw in _fields(message):
        if number == 1 and wire == BYTES:
            plaintext = bytes(raw)
    return plaintext


def _fields(message: bytes | memoryview) -> Iterable[tuple[int, int, int, memoryview]]:
    try:
        yield from fields(memoryview(message))
    except ProtobufError as error:
        raise BadEnvelope(f"no such message: {error}") from error


def _text(raw: memoryview) -> str:
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise BadEnvelope("a text that is not UTF-8") from error


def _annotation(raw: memoryview, into: dict[str, bytes]) -> None:
    name, value = "", b""
    for number, wire, _, part in _fields(raw):
        if number == 1 and wire == BYTES:
            name = _text(part)
        elif number == 2 and wire == BYTES:
            value = bytes(part)
    into[name] = value


def _annotation_fields(number: int, annotations: Annotations) -> bytes:
    return b"".join(
        message_field(number, message_field(1, name.encode()) + message_field(2, value))
        for name, value in annotations
    )
