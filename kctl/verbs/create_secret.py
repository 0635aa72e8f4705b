"""`kctl create secret`: generic (files and texts), docker-registry (credentials) or tls (certificate and key)."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, with_hash
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.key_values import KEY_VALUE_FLAGS, read_key_values
from kctl.session import Session

USAGE = "create secret (generic | docker-registry | tls) NAME [flags]"
EXAMPLES = (
    ("From texts", "kctl create secret generic login --from-literal=user=eve --from-literal=password=s3cret"),
    ("For a registry", "kctl create secret docker-registry hub --docker-username=eve --docker-password=s3cret"),
    ("A certificate", "kctl create secret tls site --cert=site.crt --key=site.key"),
)  # fmt: skip
FLAGS = (
    *KEY_VALUE_FLAGS,
    Flag("type", default="", help="type of a generic secret"),
    Flag("docker-server", default="https://index.docker.io/v1/", help="address of the registry"),
    Flag("docker-username", default="", help="user at the registry"),
    Flag("docker-password", default="", help="password at the registry"),
    Flag("docker-email", default="", help="e-mail address at the registry"),
    Flag("cert", default="", help="file with the PEM certificate"),
    Flag("key", default="", help="file with its PEM key"),
    Flag("append-hash", type="bool", default=False, help="put a digest of the content to the name"),
    *CREATE_FLAGS,
)
_KINDS = ("generic", "docker-registry", "tls")


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    if not options.args or options.args[0] not in _KINDS:
        raise Failure(f"the kind of secret is expected first: {', '.join(_KINDS)}")
    if len(options.args) != 2:
        raise Failure(f"exactly one NAME is required, got {len(options.args) - 1}")
    kind, name = options.args
    secret_type, data = {"generic": _generic, "docker-registry": _registry, "tls": _tls}[kind](options, name)
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    if data:
        obj["data"] = {key: base64.b64encode(value).decode() for key, value in data.items()}
    if secret_type:
        obj["type"] = secret_type
    return with_hash(obj, ("type", "data")) if options.append_hash else obj


def _generic(options: Options, name: str) -> tuple[str, dict[str, bytes]]:
    return options.type, read_key_values(options, f'Secret "{name}"')


def _registry(options: Options, name: str) -> tuple[str, dict[str, bytes]]:
    secret_type = "kubernetes.io/dockerconfigjson"
    if options.from_file:
        data = read_key_values(options, f'Secret "{name}"')
        if ".dockerconfigjson" not in data:
            (value,) = list(data.values())[:1]
            data = {".dockerconfigjson": value}
        return secret_type, data
    if not options.docker_username or not options.docker_password:
        raise Failure("either --from-file, or --docker-username and --docker-password are required")
    pair = f"{options.docker_username}:{options.docker_password}"
    entry = {"username": options.docker_username, "password": options.docker_password}
    if options.docker_email:
        entry["email"] = options.docker_email
    entry["auth"] = base64.b64encode(pair.encode()).decode()
    auths = {"auths": {options.docker_server: entry}}
    return secret_type, {".dockerconfigjson": json.dumps(auths, separators=(",", ":")).encode()}


def _tls(options: Options, name: str) -> tuple[str, dict[str, bytes]]:
    if not options.cert or not options.key:
        raise Failure("key and cert must be specified")
    for path in (options.cert, options.key):
        if not Path(path).is_file():
            raise Failure(f"open {path}: no such file or directory")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.cert, options.key)
    except (ssl.SSLError, OSError) as error:
        raise Failure(
            f"{options.cert} and {options.key} are no pair of certificate and key: {error}"
        ) from error
    return "kubernetes.io/tls", {
        "tls.crt": Path(options.cert).read_bytes(),
        "tls.key": Path(options.key).read_bytes(),
    }
