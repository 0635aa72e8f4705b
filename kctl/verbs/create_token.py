"""`kctl create token`: asks the API server for a token of a ServiceAccount, and prints it."""

from __future__ import annotations

from typing import Any

from kctl.creating import one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.selection import OUTPUT
from kctl.session import Session
from machinery.errors import ApiError

USAGE = "create token SERVICE_ACCOUNT [flags]"
EXAMPLES = (
    ("A token", "kctl create token builder"),
    ("For ten minutes", "kctl create token builder --duration 10m"),
)
FLAGS = (
    Flag("audience", type="list", default=[], help="who may accept it; the API server if not given"),
    Flag("duration", type="duration", default=0.0, help="how long it is good for; the server decides if 0"),
    Flag("bound-object-kind", default="", help="Pod, Secret or Node: the token ends with that object"),
    Flag("bound-object-name", default="", help="name of that object"),
    Flag("bound-object-uid", default="", help="uid of that object"),
    OUTPUT,
)
_BOUND = {"Pod": "v1", "Secret": "v1", "Node": "v1"}


def run(options: Options, session: Session) -> int:
    name = one_name(options, "token")
    review = plan(options)
    path = session.mapper.find("serviceaccounts").gvr.path(session.namespace, name, "token")
    try:
        answer = session.rest.request("POST", path, (), review)
    except ApiError as error:
        raise Failure(f"failed to create token: {error.message}") from error
    if options.output:
        from kctl.printers.printer import parse_output

        parse_output(options.output).print_all(session.out, [{**_typed(), **answer}], as_list=False)
        return 0
    token = answer.get("status", {}).get("token")
    if not token:
        raise Failure("failed to create token: the server's answer holds none")
    print(token, file=session.out)
    return 0


def _typed() -> dict[str, Any]:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}


def plan(options: Options) -> dict[str, Any]:
    """The TokenRequest. Raises Failure."""
    if options.duration < 0:
        raise Failure("--duration must be greater than or equal to 0")
    if options.duration % 1:
        raise Failure("--duration cannot be expressed in units less than seconds")
    spec: dict[str, Any] = {"audiences": list(options.audience)}
    if options.duration:
        spec["expirationSeconds"] = int(options.duration)
    kind = options.bound_object_kind
    if kind:
        if kind not in _BOUND:
            raise Failure(f"supported --bound-object-kind values are {', '.join(_BOUND)}")
        if not options.bound_object_name:
            raise Failure("--bound-object-name is required if --bound-object-kind is provided")
        bound = {"kind": kind, "apiVersion": _BOUND[kind], "name": options.bound_object_name}
        spec["boundObjectRef"] = bound | (
            {"uid": options.bound_object_uid} if options.bound_object_uid else {}
        )
    elif options.bound_object_name or options.bound_object_uid:
        raise Failure("--bound-object-name and --bound-object-uid need --bound-object-kind")
    return {**_typed(), "metadata": {}, "spec": spec}
