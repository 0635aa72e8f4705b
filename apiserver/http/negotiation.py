"""Which representation a client wants and which one its body has: Accept and Content-Type.

Pure, and remembered per header value: a handful of values make up all traffic. Answers are JSON, as the
object itself, as a Table, or as metadata only. Protobuf bodies are read, protobuf answers are never sent:
every client that prefers them lists JSON as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from machinery.errors import NotAcceptable, UnsupportedMediaType
from machinery.short_texts import keeping

As = Literal["object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """`version` is the meta.k8s.io version of a transformed answer."""

    shape: As = "object"
    version: str = "v1"
    yaml: bool = False
    content_type: bytes = b"application/json"


JSON = Accepted()
_SHAPES: dict[str, As] = {
    "Table": "Table",
    "PartialObjectMetadata": "PartialObjectMetadata",
    "PartialObjectMetadataList": "PartialObjectMetadataList",
}
_YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")
_JSON_TYPES = ("application/json", "*/*", "application/*")


def media_ranges(accept: str) -> list[tuple[str, dict[str, str]]]:
    """(type, parameters) of an Accept header, best quality first, else in the given order."""
    found: list[tuple[float, int, str, dict[str, str]]] = []
    for at, part in enumerate(accept.split(",")):
        media, *pairs = (piece.strip() for piece in part.split(";"))
        params = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        try:
            quality = float(params.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if media and quality > 0:
            found.append((-quality, at, media.lower(), params))
    found.sort(key=lambda each: each[:2])
    return [(media, params) for _, _, media, params in found]


@keeping(512)
def accepted(accept: str) -> Accepted:
    """The answer's form. Raises NotAcceptable when nothing listed can be served."""
    if not accept or accept in ("*/*", "application/json"):
        return JSON
    for media, params in media_ranges(accept):
        shape = params.get("as")
        yaml = media in _YAML_TYPES
        if not yaml and media not in _JSON_TYPES:
            continue
        content = b"application/yaml" if yaml else b"application/json"
        if not shape:
            return Accepted(yaml=yaml, content_type=content)
        if params.get("g") != "meta.k8s.io" or params.get("v") not in ("v1", "v1beta1"):
            continue
        if shape in _SHAPES:
            return Accepted(_SHAPES[shape], params["v"], yaml, content)
    raise NotAcceptable("only the following media types are accepted: application/json, application/yaml")


def wants_yaml(accept: str) -> bool:
    """Whether an error is told in YAML; JSON is for those who accept neither."""
    try:
        return "yaml" in accept and accepted(accept).yaml
    except NotAcceptable:
        return False


def accepted_stream(accept: str) -> Accepted:
    """The form of a watch's events, which are JSON always. Raises NotAcceptable."""
    shape = accepted(accept)
    if shape.yaml:
        raise NotAcceptable("only the following media types are accepted: application/json;stream=watch")
    return shape


BodyType = Literal[
    "json", "yaml", "protobuf", "json-patch", "merge-patch", "strategic-merge-patch", "apply-patch"
]

_BODY_TYPES: dict[str, BodyType] = {
    "": "json",
    "application/json": "json",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "application/vnd.kubernetes.protobuf": "protobuf",
    "application/json-patch+json": "json-patch",
    "application/merge-patch+json": "merge-patch",
    "application/strategic-merge-patch+json": "strategic-merge-patch",
    "application/apply-patch+yaml": "apply-patch",
}
PATCH_TYPES = ("json-patch", "merge-patch", "strategic-merge-patch", "apply-patch")


@keeping(256)
def body_type(content_type: str) -> BodyType:
    """What a body holds. Raises UnsupportedMediaType (CBOR among them)."""
    media = content_type.partition(";")[0].strip().lower()
    found = _BODY_TYPES.get(media)
    if found is None or found in PATCH_TYPES:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )
    return found


def patch_type(content_type: str, *, strategic: bool = True) -> BodyType:
    """`strategic`: whether it can be patched by merge keys."""
    kind = _BODY_TYPES.get(content_type.partition(";")[0].strip().lower())
    if kind not in PATCH_TYPES:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            + (", application/strategic-merge-patch+json" if strategic else "")
        )
    return kind
