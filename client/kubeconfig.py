"""Where the API server is and who we are: from kubeconfig files, or from inside a pod.

`load()` follows kubectl: an explicit path, else $KUBECONFIG (several files, merged, the first to
name something wins), else ~/.kube/config. Relative paths in a file are relative to that file.
Certificates and keys given inline never touch the disk. What goes wrong is a KubeconfigError that
names the file and the entry.

Source: Kubernetes "Organizing Cluster Access Using kubeconfig Files".
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from client.http1 import HttpTransport

# Paths are plain text here, and modules few: the command line reads its kubeconfig in every call.
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_ENTRIES = (("clusters", "cluster"), ("users", "user"), ("contexts", "context"))


class KubeconfigError(Exception):
    """The configuration cannot be used; the message says which file, which entry and why."""


class ClientConfig(NamedTuple):
    """All that is needed to reach a server as somebody. PEM data is bytes; empty means absent."""

    server: str
    namespace: str = "default"
    ca_data: bytes = b""
    cert_data: bytes = b""
    key_data: bytes = b""
    token: str = ""
    token_file: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    impersonate: str = ""
    impersonate_groups: tuple[str, ...] = ()
    context: str = ""
    user: str = ""

    def ssl_context(self) -> ssl.SSLContext | None:
        """None for a plain http server."""
        if not self.server.startswith("https:"):
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.insecure_skip_tls_verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            elif self.ca_data:
                context.load_verify_locations(cadata=self.ca_data.decode("ascii"))
            else:
                context.load_default_certs()
            if self.cert_data:
                _load_cert_chain(context, self.cert_data, self.key_data)
        except (ssl.SSLError, ValueError) as error:
            raise KubeconfigError(f"the certificates for {self.server} cannot be read: {error}") from error
        return context

    def token_source(self) -> Callable[[], str] | None:
        if self.token_file:
            return TokenFile(self.token_file)
        if self.token:
            return lambda: self.token
        return None

    def transport(self) -> HttpTransport:
        from client.http1 import HttpTransport

        headers = [("impersonate-user", self.impersonate)] if self.impersonate else []
        headers += [("impersonate-group", group) for group in self.impersonate_groups]
        return HttpTransport(
            self.server,
            ssl_context=self.ssl_context(),
            server_hostname=self.tls_server_name,
            token=self.token_source(),
            headers=headers,
        )


class TokenFile:
    """A bearer token that is rotated on disk: read again whenever the file has changed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        try:
            stat = os.stat(self._path)
            if (stat.st_mtime_ns, stat.st_ino) != self._seen:
                self._token = _read(self._path).decode().strip()
                self._seen = (stat.st_mtime_ns, stat.st_ino)
        except OSError:
            if not self._token:  # mid-rotation the last token still counts
                raise
        return self._token


def load(
    path: str = "",
    *,
    context: str = "",
    cluster: str = "",
    user: str = "",
    env: Mapping[str, str] = os.environ,
) -> ClientConfig:
    """The configuration of `context` (default: the current one), as kubectl would find it."""
    config = read(path, env=env)
    name = context or config.get("current-context") or ""
    contexts = config["contexts"]
    if name and name not in contexts:
        known = ", ".join(contexts) or "none"
        raise KubeconfigError(f'context "{name}" does not exist (known: {known})')
    chosen = contexts.get(name, {})
    cluster_name = cluster or chosen.get("cluster") or ""
    user_name = user or chosen.get("user") or ""
    if cluster_name not in config["clusters"]:
        if not cluster_name:
            raise KubeconfigError(f"no current context in {_places(path, env)}; name one with --context")
        raise KubeconfigError(f'context "{name}" names cluster "{cluster_name}", which does not exist')
    if user_name and user_name not in config["users"]:
        raise KubeconfigError(f'context "{name}" names user "{user_name}", which does not exist')
    return _client_config(
        name, chosen, config["clusters"][cluster_name], user_name, config["users"].get(user_name, {})
    )


def read(path: str = "", *, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The merged files, with clusters, users and contexts as mappings by name."""
    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}, "current-context": ""}
    for file in kubeconfig_paths(path, env):
        if not os.path.exists(file):
            if path:
                raise KubeconfigError(f"kubeconfig {file} does not exist")
            continue
        content = parse_file(file)
        merged["current-context"] = merged["current-context"] or content.get("current-context") or ""
        for plural, singular in _ENTRIES:
            for entry in content.get(plural) or ():
                value = dict(entry.get(singular) or {})
                value["_file"] = file
                merged[plural].setdefault(entry.get("name", ""), value)
    return merged


def kubeconfig_paths(path: str = "", env: Mapping[str, str] = os.environ) -> list[str]:
    """The files that count, in order of precedence."""
    if path:
        return [path]
    if several := env.get("KUBECONFIG"):
        return [each for each in several.split(os.pathsep) if each]
    return [os.path.join(env.get("HOME") or os.path.expanduser("~"), ".kube", "config")]


def in_cluster(
    root: str | os.PathLike[str] = _SERVICE_ACCOUNT, *, env: Mapping[str, str] = os.environ
) -> ClientConfig:
    """The configuration of a process in a pod: its service account, and the kubernetes service."""
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise KubeconfigError("not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    try:
        ca_data = _read(os.path.join(root, "ca.crt"))
        os.stat(os.path.join(root, "token"))
    except OSError as error:
        raise KubeconfigError(f"the service account's files cannot be read: {error}") from error
    namespace = os.path.join(root, "namespace")
    return ClientConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=_read(namespace).decode().strip() if os.path.exists(namespace) else "default",
        ca_data=ca_data,
        token_file=os.path.join(root, "token"),
        user="in-cluster",
    )


def load_or_in_cluster(path: str = "", *, env: Mapping[str, str] = os.environ) -> ClientConfig:
    """What a component uses: the given or found kubeconfig, else the pod's service account."""
    if (
        not path
        and env.get("KUBERNETES_SERVICE_HOST")
        and not any(os.path.exists(file) for file in kubeconfig_paths("", env))
    ):
        return in_cluster(env=env)
    return load(path, env=env)


def _places(path: str, env: Mapping[str, str]) -> str:
    return ", ".join(kubeconfig_paths(path, env))


def parse_file(file: str) -> dict[str, Any]:
    """One file as it is, JSON or YAML. Raises KubeconfigError."""
    try:
        raw = _read(file)
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {file} cannot be read: {error}") from error
    content: Any = None
    if raw.lstrip().startswith(b"{"):
        with suppress(ValueError):  # YAML in its flow style begins so, too
            content = json.loads(raw)  # JSON is YAML that needs no YAML parser
    if content is None:
        import yaml

        try:
            content = yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        except yaml.YAMLError as error:
            raise KubeconfigError(f"kubeconfig {file} is not valid: {error}") from error
    if not isinstance(content, dict):
        raise KubeconfigError(f"kubeconfig {file} is not valid: a mapping is expected")
    return content


def _client_config(
    context: str, chosen: dict[str, Any], cluster: dict[str, Any], user_name: str, user: dict[str, Any]
) -> ClientConfig:
    if not cluster.get("server"):
        raise KubeconfigError(f"{cluster['_file']}: the cluster of context {context!r} has no server")
    for unsupported in ("exec", "auth-provider"):
        if user.get(unsupported):
            raise KubeconfigError(
                f"{user['_file']}: user {user_name!r} needs a credential plugin ({unsupported}), which kctl does not run; "
                "use a token or a client certificate"
            )
    return ClientConfig(
        server=cluster["server"],
        namespace=chosen.get("namespace") or "default",
        ca_data=_data(cluster, "certificate-authority"),
        cert_data=_data(user, "client-certificate"),
        key_data=_data(user, "client-key"),
        token=user.get("token") or "",
        token_file=_beside(user, user["tokenFile"]) if user.get("tokenFile") else "",
        tls_server_name=cluster.get("tls-server-name") or "",
        insecure_skip_tls_verify=bool(cluster.get("insecure-skip-tls-verify")),
        impersonate=user.get("as") or "",
        impersonate_groups=tuple(user.get("as-groups") or ()),
        context=context,
        user=user_name,
    )


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _beside(entry: dict[str, Any], path: str) -> str:
    return os.path.join(os.path.dirname(entry.get("_file", "")), path)


def _data(entry: dict[str, Any], name: str) -> bytes:
    """`NAME-data` inline in base64, else the file that `NAME` points to."""
    if inline := entry.get(f"{name}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError) as error:
            raise KubeconfigError(f"{entry['_file']}: {name}-data is not base64: {error}") from error
    if path := entry.get(name):
        try:
            return _read(_beside(entry, path))
        except OSError as error:
            raise KubeconfigError(f"{entry['_file']}: {name} cannot be read: {error}") from error
    return b""


def _load_cert_chain(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """ssl takes files only; an anonymous file in memory is gone when closed."""
    data = cert + b"\n" + key
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        try:
            os.write(fd, data)
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        return
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        context.load_cert_chain(file.name)
