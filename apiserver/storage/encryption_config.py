"""EncryptionConfiguration: which resources are encrypted at rest, by which providers and keys.

In comes the file of --encryption-provider-config, out goes a cipher for each resource. The first entry that names a
resource counts; `*.` is the core group, `*.GROUP` a group, `*.*` everything. kms is refused: there is no plugin to speak to.

Source: Kubernetes "Encrypting Confidential Data at Rest", apiserver.config.k8s.io/v1.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
from machinery.errors import Cause, invalid

Obj = Mapping[str, Any]
KIND = "EncryptionConfiguration"
API_VERSIONS = ("apiserver.config.k8s.io/v1", "v1")
_KEYS = {"keys": [{"name": str, "secret": str}]}
SHAPE = {
    "apiVersion": str,
    "kind": str,
    "resources": [
        {
            "resources": [str],
            "providers": [
                {"aescbc": _KEYS, "aesgcm": _KEYS, "secretbox": _KEYS, "identity": {}, "kms": None}
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


def parse_config(obj: Obj) -> EncryptionRules:
    """Raises Invalid."""
    causes = check_config(obj)
    if causes:
        raise invalid("apiserver.config.k8s.io", KIND, "", causes)
    return EncryptionRules(
        [
            (frozenset(entry["resources"]), [made for each in entry["providers"] for made in _made(each)])
            for entry in obj["resources"]
        ]
    )


def _made(provider: Obj) -> list[Provider]:
    ((kind, said),) = provider.items()
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
            causes += _check_provider(provider, f"{path}.providers[{number}]")
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


def _check_provider(provider: Obj, path: str) -> list[Cause]:
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
        return [
            field_errors.forbidden(
                f"{path}.kms", "kms providers are not supported by this server: use secretbox or aesgcm"
            )
        ]
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
