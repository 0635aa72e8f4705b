"""Security as the flags and their files ask for it: the part of the composition that decides who may come in, and do what.

    security = FlaggedSecurity(options, clock, rng)
    rbac_guard(..., signer=security.signer, options=security.options, anonymity=..., follow=security.follow)

Flags, files and messages are upstream's. The files of --authentication-config and --authorization-config are read again
when they change; one that has become wrong is reported and leaves things as they are.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from apiserver.auth.chain import Security, SecurityOptions
from apiserver.auth.seams import Authenticator, Authorizer
from apiserver.auth.signing import TokenSigner, pem_blocks
from apiserver.auth.token_file import TokenFileAuthenticator
from apiserver.config_file import ConfigFileError, follow_files, read_config
from apiserver.http.identify import Anonymity
from apiserver.http.paths import OPEN_PATHS
from client.kubeconfig import KubeconfigError
from client.logs import get_logger
from machinery.clock import Clock
from machinery.durations import parse_duration
from machinery.errors import ApiError

if TYPE_CHECKING:  # imported when a flag asks for it: a server without pays nothing at its start
    from apiserver.auth.access_webhook import AccessWebhook
    from apiserver.auth.authentication_config import Anonymous, AuthenticationConfig, JwtIssuer
    from apiserver.auth.authorities import Authorities
    from apiserver.auth.authorization_config import Mode
    from apiserver.auth.issuer_keys import Fetch
    from apiserver.auth.oidc import OidcAuthenticator, OidcAuthenticators
    from apiserver.auth.webhook_call import ReviewWebhook

log = get_logger("security")

# What a machine that is to join reads before it trusts anybody; RBAC still says who may.
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
_REQUEST_HEADER_FLAGS = (
    "username_headers",
    "uid_headers",
    "group_headers",
    "extra_headers_prefix",
    "allowed_names",
)
# The longest that a question to a webhook may take: then nobody waits any more for one that was replaced.
_RETIRED_S = 30.0


class FlaggedSecurity:
    """Raises ConfigFileError where the flags or their files cannot be used."""

    def __init__(self, options: argparse.Namespace, clock: Clock, rng: random.Random) -> None:
        self._flags = options
        self._clock = clock
        self._rng = rng
        self.signer = _signer(options)
        self._oidc: OidcAuthenticators | None = None
        self._hooks: list[AccessWebhook] = []
        self.anonymity = Anonymity(OPEN_PATHS)
        self._token_hook: ReviewWebhook | None = None
        if options.authentication_config is not None or options.oidc_issuer_url:
            from apiserver.auth.oidc import OidcAuthenticators

            self._oidc = OidcAuthenticators()
            self._authenticate_by(self._oidc, self._authentication())
        else:
            self.anonymity.paths = self._anonymous_paths(None)
        self.authorities: list[Authorities] = []  # to be read again when their files change
        proxies, clients = self._proxies()
        self.options = SecurityOptions(
            proxies=proxies,
            client_authorities=clients,
            api_audiences=tuple(word for word in options.api_audiences.split(",") if word),
            first_authenticators=self._first(),
            last_authenticators=self._last(),
            bootstrap_tokens=options.enable_bootstrap_token_auth,
            modes=self._modes(),
            longest_token_s=int(_seconds(options, "service_account_max_token_expiration")),
            extend_tokens=options.service_account_extend_token_expiration == "true",
        )

    async def follow(self, security: Security) -> None:
        """Fetches issuers' keys and reads the files again, until cancelled."""
        flags, oidc = self._flags, self._oidc

        def authentication() -> None:
            if oidc is not None:
                self._authenticate_by(oidc, self._authentication())

        def authorization() -> None:
            hooks, self._hooks = self._hooks, []
            try:
                security.authorizer.replace(security.authorizers_of(self._modes()))
            except ConfigFileError:
                self._hooks = hooks
                raise
            for hook in hooks:
                group.create_task(self._retire(hook), name="replaced authorization webhook")

        try:
            async with asyncio.TaskGroup() as group:
                if oidc is not None:
                    group.create_task(oidc.run(), name="issuers' keys")
                if flags.authentication_config is not None:
                    group.create_task(
                        follow_files([flags.authentication_config], authentication, self._clock)
                    )
                if flags.authorization_config is not None:
                    group.create_task(follow_files([flags.authorization_config], authorization, self._clock))
        finally:
            for hook in self._hooks:
                await hook.close()
            if self._token_hook is not None:
                await self._token_hook.close()

    async def _retire(self, hook: AccessWebhook) -> None:
        try:
            await self._clock.sleep(_RETIRED_S)
        finally:
            await hook.close()

    def _authentication(self) -> AuthenticationConfig:
        from apiserver.auth.authentication_config import SHAPE, AuthenticationConfig, parse_config

        flags = self._flags
        own = sorted(self.signer.issuers)
        by_flags = self._issuer_of_flags() if flags.oidc_issuer_url else None
        if flags.authentication_config is None:
            return AuthenticationConfig((by_flags,) if by_flags else ())
        if by_flags:
            raise ConfigFileError("--authentication-config and --oidc-* flags are mutually exclusive")
        config = read_config(flags.authentication_config, SHAPE, lambda obj: parse_config(obj, own))
        if config.anonymous is not None and flags.anonymous_auth is not None:
            raise ConfigFileError(
                "--anonymous-auth cannot be set when anonymous is in --authentication-config"
            )
        return config

    def _issuer_of_flags(self) -> JwtIssuer:
        from apiserver.auth.authentication_config import config_of_flags
        from apiserver.auth.oidc import ALGORITHMS

        flags = self._flags
        algorithms = flags.oidc_signing_algs.split(",")
        if unknown := [name for name in algorithms if name not in ALGORITHMS]:
            raise ConfigFileError(f"--oidc-signing-algs: unsupported signing alg {', '.join(unknown)}")
        required = dict(word.partition("=")[::2] for word in flags.oidc_required_claim)
        try:
            authority = flags.oidc_ca_file.read_text() if flags.oidc_ca_file else ""
            return config_of_flags(
                flags.oidc_issuer_url,
                flags.oidc_client_id,
                username_claim=flags.oidc_username_claim,
                username_prefix=flags.oidc_username_prefix,
                groups_claim=flags.oidc_groups_claim,
                groups_prefix=flags.oidc_groups_prefix,
                required_claims=required,
                certificate_authority=authority,
                algorithms=algorithms,
            )
        except (OSError, ApiError) as error:
            raise ConfigFileError(f"--oidc-*: {error}") from error

    def _authenticate_by(self, oidc: OidcAuthenticators, config: AuthenticationConfig) -> None:
        try:
            oidc.replace(config.issuers, self._authenticator)
        except ApiError as error:
            raise ConfigFileError(error.message) from error
        self.anonymity.paths = self._anonymous_paths(config.anonymous)

    def _anonymous_paths(self, said: Anonymous | None) -> frozenset[str] | None:
        flag = self._flags.anonymous_auth
        if said is None and flag is not None:
            return None if flag == "true" else frozenset()
        if said is not None:
            return said.paths if said.enabled else frozenset()
        return OPEN_PATHS | {CLUSTER_INFO} if self._flags.enable_bootstrap_token_auth else OPEN_PATHS

    def _authenticator(self, issuer: JwtIssuer, path: str) -> OidcAuthenticator:
        from apiserver.auth.issuer_keys import IssuerKeys
        from apiserver.auth.oidc import OidcAuthenticator

        fetch = fetch_by(issuer.certificate_authority)
        keys = IssuerKeys(issuer.url, fetch, self._clock, self._rng, discovery_url=issuer.discovery_url)
        return OidcAuthenticator(issuer, keys, self._clock, path)

    def _proxies(self) -> tuple[Authenticator | None, Authorities | None]:
        """(who believes the proxies before this server, whose certificates are not theirs); nothing without the flags."""
        flags = self._flags
        said = {name: _words(flags, f"requestheader_{name}") for name in _REQUEST_HEADER_FLAGS}
        if not said["username_headers"]:
            if any(said.values()):
                raise ConfigFileError("--requestheader-* flags need --requestheader-username-headers")
            return None, None
        if flags.requestheader_client_ca_file is None:
            raise ConfigFileError(
                "--requestheader-username-headers needs --requestheader-client-ca-file: anybody could set them"
            )
        from apiserver.auth.authorities import Authorities
        from apiserver.auth.request_headers import HeaderNames, RequestHeaderAuthenticator

        proxies, clients = Authorities(flags.requestheader_client_ca_file), Authorities(flags.client_ca_file)
        self.authorities = [proxies, clients]
        names = HeaderNames(
            said["username_headers"], said["uid_headers"], said["group_headers"], said["extra_headers_prefix"]
        )
        return RequestHeaderAuthenticator(proxies, names, said["allowed_names"], self._clock), clients

    def _first(self) -> list[Authenticator]:
        path = self._flags.token_auth_file
        return [TokenFileAuthenticator.from_file(path)] if path else []

    def _last(self) -> list[Authenticator]:
        flags = self._flags
        last: list[Authenticator] = [self._oidc] if self._oidc is not None else []
        if path := flags.authentication_token_webhook_config_file:
            from apiserver.auth.token_webhook import TokenWebhookAuthenticator

            self._token_hook = self._webhook(path)
            believed_s = _seconds(flags, "authentication_token_webhook_cache_ttl")
            audiences = [word for word in flags.api_audiences.split(",") if word]
            hook = TokenWebhookAuthenticator(
                self._token_hook, self._clock, audiences=audiences, believed_s=believed_s
            )
            last.append(hook)
        return last

    def _authorization(self) -> tuple[Mode, ...]:
        from apiserver.auth.authorization_config import SHAPE, modes_of_flags, parse_config

        flags = self._flags
        named = [word for word in flags.authorization_mode.split(",") if word]
        if flags.authorization_config is not None:
            if named or flags.authorization_webhook_config_file:
                raise ConfigFileError(
                    "--authorization-config cannot be specified with other --authorization-* flags"
                )
            return read_config(flags.authorization_config, SHAPE, parse_config)
        try:
            return modes_of_flags(
                named,
                flags.authorization_webhook_config_file,
                allowed_s=_seconds(flags, "authorization_webhook_cache_authorized_ttl"),
                denied_s=_seconds(flags, "authorization_webhook_cache_unauthorized_ttl"),
            )
        except ApiError as error:
            raise ConfigFileError(error.message) from error

    def _modes(self) -> list[str | Authorizer]:
        flags = self._flags
        if not (
            flags.authorization_mode or flags.authorization_config or flags.authorization_webhook_config_file
        ):
            return ["Node", "RBAC"]
        from apiserver.auth.access_webhook import AccessWebhook

        built: list[str | Authorizer] = []
        for mode in self._authorization():
            if mode.rules is None:
                built.append(mode.type)
                continue
            hook = AccessWebhook(self._webhook(mode.kubeconfig, mode.timeout_s), self._clock, mode.rules)
            self._hooks.append(hook)
            built.append(hook)
        return built

    def _webhook(self, path: str, timeout_s: float = 30.0) -> ReviewWebhook:
        from apiserver.auth.webhook_call import ReviewWebhook

        try:
            return ReviewWebhook.from_kubeconfig(path, self._clock, self._rng, timeout_s)
        except KubeconfigError as error:
            raise ConfigFileError(str(error)) from error


def _words(options: argparse.Namespace, flag: str) -> tuple[str, ...]:
    """What a flag lists by commas. Raises ConfigFileError."""
    words = (
        tuple(word.strip() for word in getattr(options, flag).split(",")) if getattr(options, flag) else ()
    )
    if not all(words):
        raise ConfigFileError(f"--{flag.replace('_', '-')} lists an empty word")
    return words


def fetch_by(certificate_authority: str) -> Fetch:
    """Fetches by HTTPS, trusting the given CA (PEM) or the system's."""

    from apiserver.auth.issuer_keys import FetchFailed

    async def fetch(url: str) -> bytes:
        from client.http1 import HttpTransport
        from client.transport import TransportError

        try:
            parts = urlsplit(url)
            context = ssl.create_default_context(cadata=certificate_authority or None)
            transport = HttpTransport(f"{parts.scheme}://{parts.netloc}", ssl_context=context)
        except (ssl.SSLError, ValueError) as error:
            raise FetchFailed(f"{url}: {error}") from error
        try:
            answer = await transport.request(
                "GET", unquote(parts.path) or "/", query=parse_qsl(parts.query), timeout_s=10.0
            )
        except (TransportError, OSError, ValueError) as error:
            raise FetchFailed(f"{url}: {error}") from error
        finally:
            await transport.close()
        if answer.status != 200:
            raise FetchFailed(f"{url} answered with status {answer.status}")
        return answer.body

    return fetch


def _seconds(options: argparse.Namespace, name: str) -> float:
    try:
        return parse_duration(getattr(options, name))
    except ValueError as error:
        raise ConfigFileError(f"--{name.replace('_', '-')}: {error}") from error


def _signer(options: argparse.Namespace) -> TokenSigner:
    """The keys of the flags; without one a key for the life of this process, whose tokens end with it."""
    issuer, *older = options.service_account_issuer or ["https://kubernetes.default.svc.cluster.local"]
    try:
        others = [path.read_bytes() for path in options.service_account_key_file]
        signing = options.service_account_signing_key_file
        private = signing.read_bytes() if signing is not None else b""
    except OSError as error:
        raise ConfigFileError(f"a service account key cannot be read: {error}") from error
    if not private and others:
        private = next((block for block in pem_blocks(others[0]) if b"PRIVATE" in block), b"")
        if not private:
            raise ConfigFileError(
                "--service-account-key-file has no private key: name one with --service-account-signing-key-file"
            )
    if not private:
        private = _passing_key()
    return TokenSigner(
        private, issuer, others, older_issuers=older, jwks_uri=options.service_account_jwks_uri
    )


def _passing_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    log.warning("no --service-account-signing-key-file: tokens will not outlive this process")
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
