"""What a verb is given: the flags' view of a cluster, made piece by piece as it is asked for."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from client.kubeconfig import ClientConfig, KubeconfigError, load
from kctl.failure import Failure
from kctl.flags import Options
from kctl.rest import Rest, Unreachable
from machinery.errors import ApiError, Invalid, Unauthorized

if TYPE_CHECKING:
    from kctl.mapper import Mapper


class Session:
    """A context manager: closes what was opened. `out` and `err` are where a verb prints."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.out: TextIO = sys.stdout
        self.err: TextIO = sys.stderr
        self.documents = 0  # YAML documents printed so far: `---` goes between them
        self._warned: set[str] = set()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if "rest" in self.__dict__:
            self.rest.close()

    @cached_property
    def config(self) -> ClientConfig:
        """The kubeconfig with the flags applied. Raises KubeconfigError."""
        o = self.options
        if o.server:
            return _with_flags(_loaded_or_empty(o), o)
        try:
            config = load(
                o.kubeconfig or "", context=o.context or "", cluster=o.cluster or "", user=o.user or ""
            )
        except KubeconfigError as error:
            if "no current context" not in str(error):
                raise
            raise KubeconfigError(
                f"{error}. `kctl up` starts a cluster and prints its `export KUBECONFIG=...`"
            ) from error
        return _with_flags(config, o)

    @cached_property
    def rest(self) -> Rest:
        return Rest(self.config, self.warn, self.options.request_timeout or None)

    @cached_property
    def mapper(self) -> Mapper:
        from kctl.mapper import Mapper

        return Mapper(self.rest)

    @property
    def namespace(self) -> str:
        """The namespace of the request: the flag's, else the context's."""
        return self.options.namespace or self.config.namespace or "default"

    def warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            print(f"Warning: {text}", file=self.err)


def _loaded_or_empty(options: Any) -> ClientConfig:
    try:
        return load(options.kubeconfig or "", context=options.context or "")
    except KubeconfigError:
        return ClientConfig(server=options.server)


def _with_flags(config: ClientConfig, o: Any) -> ClientConfig:
    changes: dict[str, Any] = {}
    if o.server:
        changes["server"] = o.server if "://" in o.server else f"https://{o.server}"
    if o.token:
        changes["token"] = o.token
    if o.certificate_authority:
        changes["ca_data"] = _read(o.certificate_authority)
    if o.client_certificate:
        changes["cert_data"] = _read(o.client_certificate)
    if o.client_key:
        changes["key_data"] = _read(o.client_key)
    if o.insecure_skip_tls_verify:
        changes["insecure_skip_tls_verify"] = True
    if o.tls_server_name:
        changes["tls_server_name"] = o.tls_server_name
    impersonated = getattr(o, "as")
    if o.as_group and not impersonated:
        raise Failure("requesting groups without impersonating a user: --as-group needs --as")
    if impersonated:
        changes["impersonate"] = impersonated
        changes["impersonate_groups"] = tuple(o.as_group)
    return config._replace(**changes) if changes else config


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise KubeconfigError(f"cannot read {path}: {error.strerror}") from error


def explain_failure(error: Exception) -> str | None:
    """One clear text, in kubectl's words, for what a user can do something about; None for a defect of ours."""
    if isinstance(error, (Unreachable, KubeconfigError)):
        return f"error: {error}"
    if isinstance(error, Unauthorized):
        return f"error: You must be logged in to the server ({error.message})"
    if isinstance(error, Invalid) and error.kind:
        return _explain_invalid(error)
    if isinstance(error, ApiError):
        return f"Error from server ({error.reason}): {error.message}{_unnamed_places(error)}"
    return f"error: {error}" if isinstance(error, Failure) else None


def _unnamed_places(error: ApiError) -> str:
    """Fields that are wrong but that the message does not name."""
    places = [cause.field for cause in error.causes if cause.field and cause.field not in error.message]
    return "\n  in " + ", ".join(dict.fromkeys(places)) if places and error.code == 400 else ""


def _explain_invalid(error: Invalid) -> str:
    """Every cause on a line of its own, where there are several."""
    start = f'The {error.kind} "{error.name}" is invalid'
    causes = [f"{c.field}: {c.message}" if c.field else c.message for c in error.causes]
    if not causes:
        return start
    if len(causes) == 1:
        return f"{start}: {causes[0]}"
    return f"{start}: \n" + "\n".join(f"* {cause}" for cause in dict.fromkeys(causes))
