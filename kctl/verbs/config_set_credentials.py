"""`kctl config set-credentials`: sets token or certificate of a user; makes it where there is none."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, change, entry_of, file_of
from kctl.verbs.config_set_cluster import put_file

LOCAL = True
USAGE = "config set-credentials NAME [--token=TOKEN] [--client-certificate=FILE --client-key=FILE] [flags]"
EXAMPLES = (("A token", "kctl config set-credentials ci --token=$(kctl create token ci)"),)
FLAGS = (
    *CONFIG_FLAGS,
    Flag("token", help="bearer token"),
    Flag("client-certificate", help="file with a client certificate"),
    Flag("client-key", help="file with its key"),
    Flag("embed-certs", type="bool", default=False, help="put the files' contents into the kubeconfig"),
    Flag("username", help="user name for basic authentication"),
    Flag("password", help="password for basic authentication"),
)


def run(options: Options) -> int:
    if len(options.args) != 1:
        raise Failure("exactly one user must be named: kctl config set-credentials NAME")
    if options.token and options.username:
        raise Failure(
            "you cannot specify more than one authentication method at the same time: --token, --username"
        )
    name = options.args[0]

    def set_fields(content: dict[str, Any]) -> None:
        user = entry_of(content, "users", name, create=True)
        assert user is not None
        for field in ("token", "username", "password"):
            value = getattr(options, field)
            if value is not None:
                user[field] = value
        put_file(user, "client-certificate", options.client_certificate, options.embed_certs)
        put_file(user, "client-key", options.client_key, options.embed_certs)

    change(file_of(options.kubeconfig, "users", name), set_fields)
    print(f'User "{name}" set.')
    return 0
