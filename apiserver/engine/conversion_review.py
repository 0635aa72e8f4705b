"""ConversionReview: what a conversion webhook is asked, and what its answer must be. Pure.

The answer holds as many objects as were sent, in their order, each of the wanted version and of the same kind, name,
namespace and uid. Of their metadata a webhook may change labels and annotations; the rest is put back.

Source: Kubernetes "Versions in CustomResourceDefinitions", Webhook conversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from api.resource import Obj

VERSIONS = ("v1", "v1beta1")
GROUP = "apiextensions.k8s.io"
_SAME = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))


class BadConversion(Exception):
    """The answer does not count; the message goes behind `conversion webhook for GROUP/VERSION, Kind=KIND `."""


def review_version(known: Sequence[str]) -> str:
    """The first version of the review that both sides know. Raises BadConversion."""
    for version in known:
        if version in VERSIONS:
            return version
    raise BadConversion("failed: no supported conversion review versions")


def review_of(version: str, uid: str, objs: Sequence[Obj], api_version: str) -> bytes:
    request = {"uid": uid, "desiredAPIVersion": api_version, "objects": objs}
    return orjson.dumps({"kind": "ConversionReview", "apiVersion": f"{GROUP}/{version}", "request": request})


def read_review(version: str, uid: str, data: bytes, sent: Sequence[Obj], api_version: str) -> list[Obj]:
    """The converted objects, their metadata restored. Raises BadConversion."""
    made = _objects(version, uid, data)
    if len(made) != len(sent):
        raise BadConversion(f"returned {len(made)} objects, expected {len(sent)}")
    return [
        _checked(index, before, after, api_version)
        for index, (before, after) in enumerate(zip(sent, made, strict=True))
    ]


def _objects(version: str, uid: str, data: bytes) -> list[Any]:
    try:
        review = orjson.loads(data)
    except ValueError as error:
        raise BadConversion(f"failed: the answer is no JSON: {error}") from None
    if not isinstance(review, dict):
        raise BadConversion("failed: the answer is no ConversionReview")
    wanted = f"{GROUP}/{version}"
    if version == "v1" and (review.get("apiVersion"), review.get("kind")) != (wanted, "ConversionReview"):
        got = f"{review.get('apiVersion') or '/'}, Kind={review.get('kind') or ''}"
        raise BadConversion(
            f"failed: expected webhook response of {wanted}, Kind=ConversionReview, got {got}"
        )
    response = review.get("response")
    if not isinstance(response, dict):
        raise BadConversion("failed: no response provided")
    if version == "v1" and response.get("uid") != uid:
        raise BadConversion(f'failed: expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "Success":
        said = (
            result.get("message")
            or f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        )
        raise BadConversion(f"failed: {said}")
    made = response.get("convertedObjects")
    return made if isinstance(made, list) else []


def _checked(index: int, before: Obj, after: Any, api_version: str) -> Obj:
    here = f"returned invalid converted object at index {index}"
    if not isinstance(after, dict):
        raise BadConversion(f"{here}: it is no object")
    if after.get("apiVersion") != api_version:
        got = after.get("apiVersion") or "/"
        raise BadConversion(f"{here}: invalid groupVersion (expected {api_version}, received {got})")
    if after.get("kind") != before.get("kind"):
        raise BadConversion(
            f"{here}: invalid kind (expected {before.get('kind')}, received {after.get('kind')})"
        )
    meta, was = after.get("metadata"), before["metadata"]
    if not isinstance(meta, dict):
        shown = "missing metadata in converted object" if meta is None else "metadata must be an object"
        raise BadConversion(f"returned invalid metadata in object at index {index}: {shown}")
    for key, name in _SAME:
        if (meta.get(key) or "") != (was.get(key) or ""):
            raise BadConversion(
                f"{here}: must have the same {name}: {was.get(key) or ''} != {meta.get(key) or ''}"
            )
    restored = {key: value for key, value in was.items() if key not in ("labels", "annotations")}
    for key in ("labels", "annotations"):
        if meta.get(key):
            restored[key] = _texts(index, key, meta[key])
    return {**after, "metadata": restored}


def _texts(index: int, key: str, values: Any) -> dict[str, str]:
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise BadConversion(
            f"returned invalid metadata in object at index {index}: {key} must be a map of strings"
        )
    return values
