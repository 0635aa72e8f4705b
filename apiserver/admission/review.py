"""AdmissionReview, both ways: what a webhook is told, and what its answer means. Pure.

Source: Kubernetes "Dynamic Admission Control", Request and Response; admission.k8s.io/v1.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.matching import is_namespace
from machinery.errors import ApiError, from_status

VERSIONS = ("v1", "v1beta1")


class BadReview(Exception):
    """The answer is no AdmissionReview that holds; the webhook failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`patch` is None where nothing is to be changed."""

    allowed: bool
    refusal: ApiError | None = None
    patch: list[Any] | None = None
    warnings: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)


def describe(request: AdmissionRequest, shown: Resource) -> Obj:
    """The request without its objects: the head of a review, and `request` in CEL."""
    asked = request.resource
    body: Obj = {
        "kind": _kind(request, shown),
        "resource": _resource(shown),
        "requestKind": _kind(request, asked),
        "requestResource": _resource(asked),
        "operation": request.operation,
        "userInfo": _user(request),
        "dryRun": request.dry_run,
        "options": options_of(request),
    }
    if request.subresource:
        body["subResource"] = body["requestSubResource"] = request.subresource
    if request.name:
        body["name"] = request.name
    namespace = request.name if is_namespace(request) else request.namespace
    if namespace:
        body["namespace"] = namespace
    return body


def review_of(
    version: str, uid: str, request: AdmissionRequest, shown: Resource, obj: Obj | None, old: Obj | None
) -> bytes:
    """The body to send. `obj` and `old` are in the form of `shown`."""
    body = {"uid": uid, **describe(request, shown), "object": obj, "oldObject": old}
    review = {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": body}
    return orjson.dumps(review)


def read_answer(webhook: str, version: str, uid: str, data: bytes, *, mutating: bool) -> Answer:
    """Raises BadReview."""
    try:
        review = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadReview(f"could not decode the response: {error}") from None
    api_version = f"admission.k8s.io/{version}"
    if not isinstance(review, dict) or not isinstance(review.get("response"), dict):
        raise BadReview("Webhook response was absent")
    if version == "v1" and (review.get("kind"), review.get("apiVersion")) != ("AdmissionReview", api_version):
        got = f"{review.get('apiVersion')}, Kind={review.get('kind')}"
        raise BadReview(f"expected webhook response of {api_version}, Kind=AdmissionReview, got {got}")
    response = review["response"]
    if version == "v1" and response.get("uid") != uid:
        raise BadReview(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    warnings = tuple(str(each) for each in response.get("warnings") or ())
    notes = {
        f"{webhook}/{key}": str(value) for key, value in (response.get("auditAnnotations") or {}).items()
    }
    if not response.get("allowed"):
        return Answer(False, refusal_of(webhook, response.get("status")), None, warnings, notes)
    return Answer(True, None, _patch(response, version) if mutating else None, warnings, notes)


def refusal_of(webhook: str, status: Any) -> ApiError:
    """The webhook's own status, with who it was before its message."""
    said = dict(status) if isinstance(status, dict) else {}
    denied = f'admission webhook "{webhook}" denied the request'
    if said.get("message"):
        said["message"] = f"{denied}: {said['message']}"
    elif said.get("reason"):
        said["message"] = f"{denied}: {said['reason']}"
    else:
        said["message"] = f"{denied} without explanation"
    code = said.get("code")
    said["code"] = code if isinstance(code, int) and 400 <= code < 600 else 400
    said["details"] = said["details"] if isinstance(said.get("details"), dict) else {}
    return from_status(said)


def _patch(response: Obj, version: str) -> list[Any] | None:
    encoded, kind = response.get("patch"), response.get("patchType")
    if not encoded:
        return None
    if kind != "JSONPatch" and not (kind is None and version == "v1beta1"):
        if kind is None:
            raise BadReview("webhook returned response.patch but not response.patchType")
        raise BadReview(f'webhook returned invalid response.patchType of "{kind}"')
    try:
        operations = orjson.loads(base64.b64decode(encoded, validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadReview(f"could not decode the patch: {error}") from None
    if not isinstance(operations, list):
        raise BadReview("the patch is no list of operations")
    return operations or None


def options_of(request: AdmissionRequest) -> Obj:
    kind = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
    if request.operation == "CONNECT":
        return request.obj or {}
    options = {key: value for key, value in request.options.items() if value not in (None, "")}
    if request.dry_run:
        options["dryRun"] = ["All"]
    return {"kind": kind[request.operation], "apiVersion": "meta.k8s.io/v1", **options}


def _kind(request: AdmissionRequest, resource: Resource) -> Obj:
    """What is sent, where that is not the resource's own kind (PodAttachOptions, Eviction)."""
    sent = request.obj or {}
    if request.subresource and sent.get("kind") and sent["kind"] != resource.kind:
        group, _, version = str(sent.get("apiVersion", "")).rpartition("/")
        return {"group": group, "version": version, "kind": sent["kind"]}
    return {"group": resource.gvr.group, "version": resource.gvr.version, "kind": resource.kind}


def _resource(resource: Resource) -> Obj:
    gvr = resource.gvr
    return {"group": gvr.group, "version": gvr.version, "resource": gvr.resource}


def _user(request: AdmissionRequest) -> Obj:
    user = request.user
    info: Obj = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info
