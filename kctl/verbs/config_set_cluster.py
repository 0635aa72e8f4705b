"""`kctl config set-cluster`: sets address and certificate authority of a cluster; makes it where there is none."""

from __future__ import annotations

import base64
import os
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, change, entry_of, file_of

LOCAL = True
USAGE = "config set-cluster NAME [--server=URL] [--certificate-authority=FILE] [--embed-certs] [flags]"
EXAMPLES = (("A new address", "kctl config set-cluster lab --server=https://lab.example.com:6443"),)
FLAGS = (
    *CONFIG_FLAGS,
    Flag("server", "s", help="address of the API server"),
    Flag("certificate-authority", help="file with its CA"),
    Flag("embed-certs", type="bool", default=False, help="put the file's content into the kubeconfig"),
    Flag("insecure-skip-tls-verify", type="bool", help="do not check the server's certificate"),
    Flag("tls-server-name", help="name to check the server's certificate against"),
    Flag("proxy-url", help="proxy to go through"),
)


def run(options: Options) -> int:
    if len(options.args) != 1:
        raise Failure("exactly one cluster must be named: kctl config set-cluster NAME")
    name = options.args[0]

    def set_fields(content: dict[str, Any]) -> None:
        cluster = entry_of(content, "clusters", name, create=True)
        assert cluster is not None
        for field in ("server", "insecure-skip-tls-verify", "tls-server-name", "proxy-url"):
            value = getattr(options, field.replace("-", "_"))
            if value is not None:
                cluster[field] = value
        put_file(cluster, "certificate-authority", options.certificate_authority, options.embed_certs)

    change(file_of(options.kubeconfig, "clusters", name), set_fields)
    print(f'Cluster "{name}" set.')
    return 0


def put_file(entry: dict[str, Any], field: str, path: str | None, embed: bool) -> None:
    """A file by its path, or with its content; either takes the place of both."""
    if path is None:
        return
    entry.pop(f"{field}-data", None)
    entry.pop(field, None)
    if not embed:
        entry[field] = os.path.abspath(path)
        return
    try:
        with open(path, "rb") as file:
            entry[f"{field}-data"] = base64.b64encode(file.read()).decode()
    except OSError as error:
        raise Failure(f"could not read {field} data from {path}: {error.strerror}") from error
