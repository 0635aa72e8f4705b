"""The one error tree, equal on server and client.

    ApiError                      anything the API answers with a Status object
    ├── BadRequest      400       the request cannot be read
    ├── Unauthorized    401       who are you?
    ├── Forbidden       403       known, but not allowed
    ├── NotFound        404
    ├── MethodNotAllowed 405
    ├── NotAcceptable   406       no common response type
    ├── AlreadyExists   409
    ├── Conflict        409       the precondition (resourceVersion, uid, field owner) does not hold
    ├── Gone            410       reason Gone
    ├── Expired         410       the revision or continue token is compacted away
    ├── TooLarge        413
    ├── UnsupportedMediaType 415
    ├── Invalid         422       every validation error at once, as causes
    ├── TooManyRequests 429       carries retry_after_s
    ├── InternalError   500
    ├── ServiceUnavailable 503
    └── Timeout         504

The server raises them, `to_status()` writes the wire form (metav1.Status), and the client's
`from_status()` raises the same class again, so a controller that runs in the server's process
and one that runs across TLS catch the same exceptions.

Source: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

MAX_CAUSES = 1000  # told of one object: enough to mend it, bounded whatever was sent


class Cause(NamedTuple):
    """One reason among several: `reason` is a CauseType such as FieldValueInvalid, `field` a path."""

    reason: str
    message: str
    field: str = ""

    def to_dict(self) -> dict[str, str]:
        out = {"reason": self.reason, "message": self.message}
        if self.field:
            out["field"] = self.field
        return out


# Where upstream tells details, be there any or not; kubectl prints an invalid request's message only beside them.
_DETAILED = frozenset({404, 405, 409, 422})


class ApiError(Exception):
    """A refusal with a Status. `code` and `reason` are the class's, unless somebody else's Status said another code."""

    code: int = 500
    reason: str = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        uid: str = "",
        causes: Iterable[Cause] = (),
        retry_after_s: int = 0,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.group = group
        self.kind = kind  # the wire puts the resource's plural here, as upstream does
        self.name = name
        self.uid = uid
        self.causes = tuple(causes)
        self.retry_after_s = retry_after_s
        self.continue_token = continue_token

    def to_status(self) -> dict[str, Any]:
        """The metav1.Status that tells a client all of this."""
        named = {"name": self.name, "group": self.group, "kind": self.kind, "uid": self.uid}
        details: dict[str, Any] = {key: value for key, value in named.items() if value}
        if self.causes:
            details["causes"] = [cause.to_dict() for cause in self.causes]
        if self.retry_after_s:
            details["retryAfterSeconds"] = self.retry_after_s
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            "code": self.code,
        }
        if details or self.code in _DETAILED:
            status["details"] = details
        return status


class BadRequest(ApiError):
    code = 400
    reason = "BadRequest"


class Unauthorized(ApiError):
    code = 401
    reason = "Unauthorized"


class Forbidden(ApiError):
    code = 403
    reason = "Forbidden"


class NotFound(ApiError):
    code = 404
    reason = "NotFound"


class MethodNotAllowed(ApiError):
    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(ApiError):
    code = 406
    reason = "NotAcceptable"


class AlreadyExists(ApiError):
    code = 409
    reason = "AlreadyExists"


class Conflict(ApiError):
    code = 409
    reason = "Conflict"


class Gone(ApiError):
    code = 410
    reason = "Gone"


class Expired(ApiError):
    code = 410
    reason = "Expired"


class TooLarge(ApiError):
    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code = 415
    reason = "UnsupportedMediaType"


class Invalid(ApiError):
    code = 422
    reason = "Invalid"


class TooManyRequests(ApiError):
    code = 429
    reason = "TooManyRequests"


class InternalError(ApiError):
    code = 500
    reason = "InternalError"


class ServiceUnavailable(ApiError):
    code = 503
    reason = "ServiceUnavailable"


class Timeout(ApiError):
    code = 504
    reason = "Timeout"


_CLASSES: tuple[type[ApiError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServiceUnavailable,
    Timeout,
)
_BY_REASON: dict[str, type[ApiError]] = {cls.reason: cls for cls in _CLASSES}
_BY_CODE: dict[int, type[ApiError]] = {cls.code: cls for cls in reversed(_CLASSES)}


def from_status(status: Mapping[str, Any], code: int = 0) -> ApiError:
    """The exception for a metav1.Status body; `code` is the HTTP status where the body has none.

    What somebody else's server may have put there instead of the right types is passed over.
    """
    code = _number(status.get("code")) or code or 500
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    metadata = status.get("metadata")
    cls = _BY_REASON.get(str(status.get("reason", ""))) or _BY_CODE.get(code) or InternalError
    error = cls(
        str(status.get("message") or f"the server answered {code} without a message"),
        group=details.get("group", ""),
        kind=details.get("kind", ""),
        name=details.get("name", ""),
        uid=details.get("uid", ""),
        causes=[
            Cause(c.get("reason", ""), c.get("message", ""), c.get("field", ""))
            for c in _list(details.get("causes"))
            if isinstance(c, dict)
        ],
        retry_after_s=_number(details.get("retryAfterSeconds")),
        continue_token=metadata.get("continue", "") if isinstance(metadata, dict) else "",
    )
    if error.code != code:  # an admission webhook's, say: any code is passed on as it was given
        error.code, error.reason = code, status.get("reason", "")
    return error


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def not_found(group: str, plural: str, name: str) -> NotFound:
    """`pods "web" not found`, in upstream's words."""
    return NotFound(f'{qualified(group, plural)} "{name}" not found', group=group, kind=plural, name=name)


def already_exists(group: str, plural: str, name: str, *, leaving: bool = False) -> AlreadyExists:
    """`leaving`: what has the name is on its way out."""
    said = "object is being deleted: " if leaving else ""
    return AlreadyExists(
        f'{said}{qualified(group, plural)} "{name}" already exists', group=group, kind=plural, name=name
    )


def forbidden(group: str, plural: str, name: str, why: str) -> Forbidden:
    said = f'{qualified(group, plural)} "{name}" is forbidden: {why}'
    return Forbidden(said, group=group, kind=plural, name=name)


def conflict(group: str, plural: str, name: str, why: str) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}',
        group=group,
        kind=plural,
        name=name,
    )


def invalid(group: str, kind: str, name: str, causes: Iterable[Cause]) -> Invalid:
    """422 with every cause (the first MAX_CAUSES of them); the message lists them as upstream's aggregate does."""
    causes = tuple(islice(causes, MAX_CAUSES))
    each = list(dict.fromkeys(f"{c.field}: {c.message}" if c.field else c.message for c in causes))
    text = each[0] if len(each) == 1 else "[" + ", ".join(each) + "]"
    return Invalid(
        f'{qualified(group, kind)} "{name}" is invalid: {text}',
        group=group,
        kind=kind,
        name=name,
        causes=causes,
    )


def qualified(group: str, name: str) -> str:
    """`deployments.apps`, or `pods` in the core group."""
    return f"{name}.{group}" if group else name
