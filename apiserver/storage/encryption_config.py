"""EncryptionConfiguration: which resources are encrypted at rest, by which providers and keys.

In comes the file of --encryption-provider-config, out goes a cipher for each resource. The first entry that names a
resource counts; `*.` is the core group, `*.GROUP` a group, `*.*` everything. A kms provider (v2; upstream has given up v1) is
made by whoever can speak to its plugin (`MakeKms`), once for each entry; the rest needs nothing but the file.

Source: Kubernetes "Encrypting Confidential Data at Rest", apiserver.config.k8s.io/v1.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from apiserver.storage.cipher import (
    UPSTREAM_MAGIC,
    AesCbc,
    AesGcm,
    Identity,
    Provider,
    ProviderCipher,
    SecretBox,
)
from machinery import field_errors
from machinery.durations import parse_duration
from machinery.errors import Cause, invalid

Obj = Mapping[str, Any]
KIND = "EncryptionConfiguration"
API_VERSIONS = ("apiserver.config.k8s.io/v1", "v1")
_KMS = {"apiVersion": str, "name": str, "endpoint": str, "timeout": str, "cachesize": int}
_KEYS = {"keys": [{"name": str, "secret": str}]}
SHAPE = {
    "apiVersion": str,
    "kind": str,
    "resources": [
        {
            "resources": [str],
            "providers": [
                {"aescbc": _KEYS, "aesgcm": _KEYS, "secretbox": _KEYS, "identity": {}, "kms": _KMS}
            ],
        }
    ],
}
_MAKERS: dict[str, tuple[Callable[[bytes, bytes], Provider], tuple[int, ...]]] = {
    "aescbc": (AesCbc, (16, 24, 32)),
    "aesgcm": (AesGcm, (16, 24, 32)),
    "secretbox": (SecretBox, (32,)),
}
_PROVIDERS = (*_MAKERS, "identity", "kms")
_TIMEOUT = "3s"
_NO_V1 = (
    "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead. "
    "This server has no KMSv1"
)


@dataclass(frozen=True, slots=True)
class KmsSettings:
    """`endpoint` is a unix:// URL."""

    name: str
    endpoint: str
    timeout_s: float


MakeKms = Callable[[KmsSettings], Provider]


class Encryption:
    """Gives every resource its cipher. `replace` changes what they do from the next write on."""

    def __init__(self, config: EncryptionRules, older: Sequence[Provider] = ()) -> None:
        """`older` only read, whatever the configuration says: keys that the cluster had before it."""
        self._older = tuple(older)
        self._ciphers: dict[tuple[str, str], SwitchedCipher] = {}
        self._config = config

    def cipher(self, group: str, plural: str) -> SwitchedCipher:
        known = self._ciphers.get((group, plural))
        if known is None:
            known = self._ciphers[group, plural] = SwitchedCipher(self._made(group, plural))
        return known

    def replace(self, config: EncryptionRules) -> None:
        self._config = config
        for (group, plural), cipher in self._ciphers.items():
            cipher.current = self._made(group, plural)

    def _made(self, group: str, plural: str) -> ProviderCipher:
        named = self._config.providers_for(group, plural)
        older = self._older if (group, plural) == ("", "secrets") else ()
        return ProviderCipher([*(named or [Identity()]), *older])


class SwitchedCipher:
    """Implements apiserver.storage.encoding.Cipher by one that may be replaced."""

    def __init__(self, current: ProviderCipher) -> None:
        self.current = current

    @property
    def seals_as(self) -> bytes:
        return self.current.seals_as

    def seal(self, key: str, value: bytes) -> bytes:
        return self.current.seal(key, value)

    def open(self, key: str, sealed: bytes) -> tuple[bytes, bytes]:
        return self.current.open(key, sealed)

    def lacking(self, sealed: Iterable[bytes]) -> list[bytes]:
        return self.current.lacking(sealed)

    async def fetch_keys(self, sealed: Iterable[bytes]) -> None:
        await self.current.fetch_keys(sealed)


class EncryptionRules:
    """A checked configuration."""

    def __init__(self, entries: Sequence[tuple[frozenset[str], Sequence[Provider]]]) -> None:
        self._entries = tuple(entries)

    def providers_for(self, group: str, plural: str) -> Sequence[Provider]:
        """Those of the first entry that names the resource; none where nothing does."""
        own = f"{plural}.{group}" if group else plural
        for names, providers in self._entries:
            if names & {own, f"*.{group}", "*.*"}:
                return providers
        return ()


def _no_kms(settings: KmsSettings) -> Provider:
    raise ValueError(f"nobody here speaks to the kms plugin {settings.name}")


def parse_config(obj: Obj, make_kms: MakeKms = _no_kms) -> EncryptionRules:
    """Raises Invalid. Where it does, `make_kms` was not called."""
    causes = check_config(obj)
    if causes:
        raise invalid("apiserver.config.k8s.io", KIND, "", causes)
    return EncryptionRules(
        [
            (
                frozenset(entry["resources"]),
                [made for each in entry["providers"] for made in _made(each, make_kms)],
            )
            for entry in obj["resources"]
        ]
    )


def _made(provider: Obj, make_kms: MakeKms) -> list[Provider]:
    ((kind, said),) = provider.items()
    if kind == "kms":
        timeout_s = parse_duration(said.get("timeout") or _TIMEOUT)
        return [make_kms(KmsSettings(said["name"], said["endpoint"], timeout_s))]
    if kind == "identity":
        return [Identity()]
    maker, _ = _MAKERS[kind]
    return [
        maker(UPSTREAM_MAGIC + f"{kind}:v1:{key['name']}:".encode(), base64.b64decode(key["secret"]))
        for key in said["keys"]
    ]


def check_config(obj: Obj) -> list[Cause]:
    if wrong := field_errors.wrong_kind(obj, (KIND, "EncryptionConfig"), API_VERSIONS):
        return wrong
    if not obj.get("resources"):
        return [field_errors.required("resources", "at least one resource configuration is required")]
    causes: list[Cause] = []
    seen: set[str] = set()
    plugins: set[str] = set()
    for index, entry in enumerate(obj["resources"]):
        path = f"resources[{index}]"
        names = entry.get("resources") or ()
        if not names:
            causes.append(field_errors.required(f"{path}.resources", "at least one resource is required"))
        for number, name in enumerate(names):
            causes += _check_name(name, f"{path}.resources[{number}]", seen)
            seen.add(name)
        if not entry.get("providers"):
            causes.append(field_errors.required(f"{path}.providers", "at least one provider is required"))
        for number, provider in enumerate(entry.get("providers") or ()):
            causes += _check_provider(provider, f"{path}.providers[{number}]", plugins)
    return causes


def _check_name(name: str, path: str, seen: set[str]) -> list[Cause]:
    plural, dot, group = name.partition(".")
    if name.startswith("*") and not (plural == "*" and dot):
        return [
            field_errors.invalid_value(
                path,
                name,
                "use '*.<group>' to encrypt all the resources of a group, '*.' for core and '*.*' for everything",
            )
        ]
    if name != name.lower():
        return [field_errors.invalid_value(path, name, "resource name should not contain capital letters")]
    if group in ("apiserver.k8s.io", "extensions"):
        return [field_errors.invalid_value(path, name, f"resources of group {group} cannot be encrypted")]
    if name in seen:
        return [field_errors.duplicate(path, name)]
    if "*.*" in seen or f"*.{group}" in seen:
        return [
            field_errors.invalid_value(path, name, "an entry before this one covers the resource already")
        ]
    return []


def _check_provider(provider: Obj, path: str, plugins: set[str]) -> list[Cause]:
    kinds = [kind for kind in _PROVIDERS if kind in provider]
    if len(kinds) != 1:
        detail = (
            "provider does not contain any of the expected providers"
            if not kinds
            else "more than one provider specified in a single element, should split into different list elements"
        )
        return [field_errors.invalid_value(path, sorted(provider), detail)]
    (kind,) = kinds
    if kind == "kms":
        return _check_kms(provider[kind] or {}, f"{path}.kms", plugins)
    if kind == "identity":
        return []
    keys = (provider[kind] or {}).get("keys") or ()
    if not keys:
        return [field_errors.required(f"{path}.{kind}.keys", "at least one key is required")]
    causes: list[Cause] = []
    names: set[str] = set()
    for index, key in enumerate(keys):
        at, name = f"{path}.{kind}.keys[{index}]", key.get("name", "")
        if not name or ":" in name:
            causes.append(field_errors.invalid_value(f"{at}.name", name, "a name without colons is required"))
        if name in names:
            causes.append(field_errors.duplicate(f"{at}.name", name))
        names.add(name)
        try:
            length = len(base64.b64decode(key.get("secret", ""), validate=True))
        except binascii.Error:
            causes.append(
                field_errors.invalid_value(f"{at}.secret", "REDACTED", "secret must be base64 encoded")
            )
            continue
        sizes = _MAKERS[kind][1]
        if length not in sizes:
            detail = f"secret is not of the expected length, got {length}, expected one of {list(sizes)}"
            causes.append(field_errors.invalid_value(f"{at}.secret", "REDACTED", detail))
    return causes


def _check_kms(said: Obj, path: str, plugins: set[str]) -> list[Cause]:
    version = said.get("apiVersion") or "v1"
    if version == "v1":
        return [field_errors.forbidden(f"{path}.apiVersion", _NO_V1)]
    causes: list[Cause] = []
    if version != "v2":
        detail = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        causes.append(field_errors.invalid_value(f"{path}.apiVersion", version, detail))
    name = said.get("name") or ""
    if not name:
        causes.append(field_errors.required(f"{path}.name", "name is a mandatory field for a provider"))
    if ":" in name:
        detail = f"invalid KMS provider name {name}, must not contain ':'"
        causes.append(field_errors.invalid_value(f"{path}.name", name, detail))
    if name in plugins:
        detail = f"duplicate KMS provider name {name}, names must be unique"
        causes.append(field_errors.invalid_value(f"{path}.name", name, detail))
    plugins.add(name)
    if said.get("cachesize") is not None:
        detail = "cachesize is not supported in v2"
        causes.append(field_errors.invalid_value(f"{path}.cachesize", said["cachesize"], detail))
    timeout = said.get("timeout") or _TIMEOUT
    try:
        if parse_duration(timeout) <= 0:
            detail = "timeout should be a positive value"
            causes.append(field_errors.invalid_value(f"{path}.timeout", timeout, detail))
    except ValueError as error:
        causes.append(field_errors.invalid_value(f"{path}.timeout", timeout, str(error)))
    return causes + _check_endpoint(said.get("endpoint") or "", f"{path}.endpoint")


def _check_endpoint(endpoint: str, path: str) -> list[Cause]:
    if not endpoint:
        return [field_errors.invalid_value(path, "", "endpoint is a mandatory field for a kms")]
    try:
        scheme = urlsplit(endpoint).scheme
    except ValueError as error:
        detail = f"invalid endpoint for kms provider, error: {error}"
        return [field_errors.invalid_value(path, endpoint, detail)]
    if scheme != "unix":
        detail = f'unsupported scheme "{scheme}" for KMS provider, only unix is supported'
        return [field_errors.invalid_value(path, endpoint, detail)]
    return []
