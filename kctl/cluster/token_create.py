"""`kctl token create`: a bootstrap token, with which a machine can join, and the command that does it."""

from __future__ import annotations

import base64
import json
import secrets
import string
import time
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options, UsageError
from kctl.session import Session
from machinery.errors import ApiError, NotFound

USAGE = "token create [flags]"
EXAMPLES = (
    ("A token for a day, and the command to run on the machine", "kctl token create --print-join-command"),
    ("For ten minutes", "kctl token create --ttl 10m"),
)
FLAGS = (
    Flag("ttl", type="duration", default=86400.0, help="how long it is good for; 0 for ever"),
    Flag("description", default="", help="what it is for"),
    Flag(
        "print-join-command", type="bool", default=False, help="print the whole command to run on the machine"
    ),
)
_GROUP = "system:bootstrappers:kubeadm:default-node-token"
_ALPHABET = string.ascii_lowercase + string.digits
_PUBLISHED_WITHIN_S = 20.0


def plan_secret(token_id: str, secret: str, ttl_s: float, description: str, now: float) -> dict[str, Any]:
    """The Secret that is the token."""
    from machinery.clock import rfc3339

    data = {
        "token-id": token_id,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": _GROUP,
        **({"expiration": rfc3339(now + ttl_s)} if ttl_s else {}),
        **({"description": description} if description else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": data,
    }


def run(options: Options, session: Session) -> int:
    if options.args:
        raise UsageError("token create takes no words: the token is made by chance")
    if options.ttl < 0:
        raise Failure("--ttl must not be negative")
    token_id, secret = ("".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (6, 16))
    made = plan_secret(token_id, secret, options.ttl, options.description, time.time())
    session.rest.request("POST", "/api/v1/namespaces/kube-system/secrets", (), made)
    token = f"{token_id}.{secret}"
    print(join_command(session, token) if options.print_join_command else token, file=session.out)
    return 0


def join_command(session: Session, token: str) -> str:
    """What to run on the machine, once the cluster says publicly how it is reached. Raises Failure."""
    from standalone.bootstrap import pin_of

    cluster = _published(session, token.partition(".")[0])
    server = str(cluster["server"]).removeprefix("https://")
    if server.startswith("127."):
        raise Failure(
            f"the cluster is known as {server}, which no other machine can reach: bring it up with "
            "`--nodes 0 --advertise-address ADDRESS`"
        )
    pin = pin_of(base64.b64decode(cluster["certificate-authority-data"]))
    return f"kctl join {server} --token {token} --discovery-token-ca-cert-hash {pin}"


def _published(session: Session, token_id: str) -> dict[str, Any]:
    path = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
    deadline = time.monotonic() + _PUBLISHED_WITHIN_S
    while True:
        try:
            data = session.rest.request("GET", path, (), None).get("data") or {}
        except NotFound:
            data = {}
        except ApiError as error:
            raise Failure(f"cannot read how the cluster is reached: {error.message}") from error
        if f"jws-kubeconfig-{token_id}" in data:
            found: dict[str, Any] = json.loads(data["kubeconfig"])["clusters"][0]["cluster"]
            return found
        if time.monotonic() > deadline:
            raise Failure(
                "the controllers have not signed kube-public/cluster-info with the new token: do they run?"
            )
        time.sleep(0.1)
