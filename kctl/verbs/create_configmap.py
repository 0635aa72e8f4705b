"""`kctl create configmap`: from files, folders, KEY=VALUE texts and env files."""

from __future__ import annotations

import base64
from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name, with_hash
from kctl.flags import Flag, Options
from kctl.key_values import KEY_VALUE_FLAGS, read_key_values
from kctl.session import Session

USAGE = (
    "create configmap NAME [--from-file=[KEY=]PATH] [--from-literal=KEY=VALUE] [--from-env-file=PATH] [flags]"
)
EXAMPLES = (
    ("From a folder's files", "kctl create configmap pages --from-file=pages/"),
    ("From texts", "kctl create configmap settings --from-literal=colour=blue --from-literal=size=3"),
)
FLAGS = (
    *KEY_VALUE_FLAGS,
    Flag("append-hash", type="bool", default=False, help="put a digest of the content to the name"),
    *CREATE_FLAGS,
)


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    name = one_name(options, "configmap")
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    data: dict[str, str] = {}
    binary: dict[str, str] = {}
    for key, value in read_key_values(options, f'ConfigMap "{name}"').items():
        try:
            data[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    if data:
        obj["data"] = data
    if binary:
        obj["binaryData"] = binary
    return with_hash(obj, ("data", "binaryData")) if options.append_hash else obj
