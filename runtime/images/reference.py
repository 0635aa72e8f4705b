"""Image references: `busybox`, `ghcr.io/a/b:1.2`, `localhost:5000/x@sha256:...` in one normal form.

Takes what people write in `spec.containers[].image`, gives a `Reference` whose `str()` is the full name.
Rules are those of the distribution project's reference grammar, as container runtimes apply them:
a first component is a registry where it holds a dot or a colon, is `localhost` or has a capital letter;
everything else is Docker Hub, where one-word names live under `library/`. A name without tag and digest
gets `latest`; with both, the digest counts. Pure; raises ImageFailure InvalidImageName.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runtime.cri import ImageFailure

DOCKER_HUB = "docker.io"

_HOST_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """`registry` is a host with optional port, `repository` a path in it; exactly one of tag and digest is set."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest where there is one."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    def with_digest(self, digest: str) -> Reference:
        return Reference(self.registry, self.repository, digest=digest)


def parse_reference(text: str) -> Reference:
    """The normal form of a reference. Raises ImageFailure InvalidImageName that says what is wrong."""
    if not text:
        raise _invalid(text, "it is empty")
    if _HEX64.fullmatch(text):
        raise _invalid(text, "64 hexadecimal digits are an image id, not a name")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, f"{digest!r} is not a digest such as sha256:... with 64 lower-case hex digits")
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is not a tag")
    registry, path = _split_registry(name)
    if not _DOMAIN.fullmatch(registry):
        raise _invalid(text, f"{registry!r} is not a registry's host")
    for component in path.split("/"):
        if not _COMPONENT.fullmatch(component):
            raise _invalid(text, _component_trouble(component))
    if len(registry) + 1 + len(path) > _MAX_NAME:
        raise _invalid(text, f"the repository name is longer than {_MAX_NAME} characters")
    if digest:
        return Reference(registry, path, digest=digest)
    return Reference(registry, path, tag=tag or "latest")


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def as_image_id(text: str) -> str | None:
    """`sha256:<hex>` or bare 64 hex digits → `sha256:<hex>`; None where the text is no image id."""
    if _HEX64.fullmatch(text):
        return f"sha256:{text}"
    return text if text.startswith("sha256:") and is_digest(text) else None


def _split_tag(rest: str) -> tuple[str, str | None]:
    slash = rest.rfind("/")
    colon = rest.rfind(":")
    return (rest[:colon], rest[colon + 1 :]) if colon > slash else (rest, None)


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    registry, path = (first, rest) if is_host else (DOCKER_HUB, name)
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return registry, path


def _component_trouble(component: str) -> str:
    if not component:
        return "a part of the name is empty"
    if component != component.lower():
        return f"the repository name must be lower case, {component!r} is not"
    return f"{component!r} is not a valid part of a repository name"


def _invalid(text: str, why: str) -> ImageFailure:
    return ImageFailure(
        "InvalidImageName", f"couldn't parse image name {text!r}: invalid reference format: {why}"
    )
