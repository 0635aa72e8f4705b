"""Puts security together: who asks is settled by the first authenticator that knows, may they by the first
authorizer that allows or denies. `Security` is what the server composes; the pieces stand alone.

    in-process user → client certificate → token file → ServiceAccount token → bootstrap token → OIDC → webhook
    system:masters → the authorizers of the configuration, in its order (Node, RBAC where it says nothing)
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from apiserver.auth.authorities import Authorities
from apiserver.auth.bootstrap_tokens import BootstrapTokenAuthenticator
from apiserver.auth.legacy_tokens import LegacyTokenUse
from apiserver.auth.node import NodeAuthorizer, node_name
from apiserver.auth.rbac import RBACAuthorizer
from apiserver.auth.rules import PolicyRule
from apiserver.auth.seams import Authenticator, Authorizer, Credentials, Decision
from apiserver.auth.serviceaccounts import ServiceAccountAuthenticator
from apiserver.auth.signing import TokenSigner
from apiserver.auth.tokens import TokenIssuer
from apiserver.auth.user import Attributes, User
from apiserver.auth.x509 import CertificateAuthenticator
from apiserver.storage.store import Store
from machinery.clock import Clock

MASTERS = "system:masters"
ALLOWED = Decision(True)
DENIED = Decision(False, denied=True)
NO_OPINION = Decision(False)


class InProcessAuthenticator:
    """Believes the in-process transport, which nothing from the network can pretend to be."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        return credentials.in_process_user


class AuthenticatorChain:
    """The first that knows the caller wins."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def authenticate(self, credentials: Credentials) -> User | None:
        for authenticator in self._authenticators:
            user = await authenticator.authenticate(credentials)
            if user is not None:
                return user
        return None


class MastersAuthorizer:
    """system:masters may do everything, also while no role is there yet."""

    def authorize(self, attributes: Attributes) -> Decision:
        return ALLOWED if MASTERS in attributes.user.groups else NO_OPINION


class Always:
    """The modes AlwaysAllow and AlwaysDeny."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def authorize(self, attributes: Attributes) -> Decision:
        return self._decision


class AuthorizerChain:
    """Asked in order until one allows or denies; the reasons of those without an opinion are joined."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def replace(self, authorizers: Sequence[Authorizer]) -> None:
        """From the next question on."""
        self._authorizers = tuple(authorizers)

    def authorize(self, attributes: Attributes) -> Decision:
        return _ask(self._authorizers, attributes, [])


def _ask(authorizers: Sequence[Authorizer], attributes: Attributes, reasons: list[str]) -> Decision:
    for index, authorizer in enumerate(authorizers):
        decision = authorizer.authorize(attributes)
        if decision.pending is not None:
            rest = authorizers[index + 1 :]
            later = functools.partial(_settle, decision.pending, rest, attributes, reasons)
            return Decision(False, pending=later)
        if decision.allowed or decision.denied:
            return decision
        if decision.reason:
            reasons.append(decision.reason)
    return Decision(False, ", ".join(reasons)) if reasons else NO_OPINION


async def _settle(
    pending: Callable[[], Awaitable[Decision]],
    rest: Sequence[Authorizer],
    attributes: Attributes,
    reasons: list[str],
) -> Decision:
    """The answer that was pending, and where it is none, that of those behind it."""
    answer = await pending()
    if answer.allowed or answer.denied:
        return answer
    if answer.reason:
        reasons.append(answer.reason)
    later = _ask(rest, attributes, reasons)
    return later if later.pending is None else await later.pending()


@dataclass(frozen=True, slots=True)
class SecurityStores:
    """The Stores that security decides by."""

    roles: Store
    role_bindings: Store
    cluster_roles: Store
    cluster_role_bindings: Store
    service_accounts: Store
    pods: Store
    secrets: Store
    nodes: Store


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """What a configuration adds. `proxies` are asked before certificates, which then must be from `client_authorities`;
    `first_authenticators` after them, `last_authenticators` when nobody else knows a token. `modes` are built-in authorizers by name, or others as they are."""

    api_audiences: Sequence[str] = ()
    proxies: Authenticator | None = None
    client_authorities: Authorities | None = None
    first_authenticators: Sequence[Authenticator] = ()
    last_authenticators: Sequence[Authenticator] = ()
    bootstrap_tokens: bool = False
    modes: Sequence[str | Authorizer] = ("Node", "RBAC")
    longest_token_s: int = 365 * 24 * 3600
    extend_tokens: bool = True


class Security:
    """Everything above, built and kept current: `run` until cancelled, `wait_synced` before serving."""

    def __init__(
        self,
        stores: SecurityStores,
        signer: TokenSigner,
        clock: Clock,
        rng: random.Random,
        options: SecurityOptions | None = None,
    ) -> None:
        options = options or SecurityOptions()
        self.signer = signer
        self.rbac = RBACAuthorizer(
            roles=stores.roles,
            role_bindings=stores.role_bindings,
            cluster_roles=stores.cluster_roles,
            cluster_role_bindings=stores.cluster_role_bindings,
        )
        self.node = NodeAuthorizer(stores.pods)
        self.authorizer = AuthorizerChain(self.authorizers_of(options.modes))
        self.service_accounts = ServiceAccountAuthenticator(
            signer,
            service_accounts=stores.service_accounts,
            pods=stores.pods,
            secrets=stores.secrets,
            nodes=stores.nodes,
            clock=clock,
            api_audiences=options.api_audiences,
        )
        self.legacy_use = LegacyTokenUse(stores.secrets, clock)
        self.service_accounts.on_legacy_use = self.legacy_use.note
        self.tokens = TokenIssuer(
            signer,
            service_accounts=stores.service_accounts,
            pods=stores.pods,
            secrets=stores.secrets,
            nodes=stores.nodes,
            clock=clock,
            rng=rng,
            api_audiences=options.api_audiences,
            longest_s=options.longest_token_s,
            extend=options.extend_tokens,
        )
        authenticators: list[Authenticator] = [InProcessAuthenticator()]
        if options.proxies is not None:
            authenticators.append(options.proxies)
        authenticators.append(CertificateAuthenticator(clock, options.client_authorities))
        authenticators += options.first_authenticators
        authenticators.append(self.service_accounts)
        if options.bootstrap_tokens:
            authenticators.append(BootstrapTokenAuthenticator(stores.secrets, clock))
        authenticators += options.last_authenticators
        self.authenticator = AuthenticatorChain(authenticators)

    def authorizers_of(self, modes: Sequence[str | Authorizer]) -> list[Authorizer]:
        """The authorizers that `modes` name, after the one for system:masters."""
        built_in: dict[str, Authorizer] = {
            "Node": self.node,
            "RBAC": self.rbac,
            "AlwaysAllow": Always(ALLOWED),
            "AlwaysDeny": Always(DENIED),
        }
        self._modes = tuple(modes)
        chosen = [built_in[mode] if isinstance(mode, str) else mode for mode in modes]
        return [MastersAuthorizer(), *chosen]

    def rules_for(self, user: User, namespace: str) -> tuple[list[PolicyRule], list[str]]:
        """The rules that hold for the user in the namespace, and which authorizers may know of others."""
        rules: list[PolicyRule] = []
        unknown = []
        for mode in self._modes:
            if mode == "RBAC":
                rules += self.rbac.rules_for(user, namespace)
            elif mode == "AlwaysAllow":
                rules += [
                    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                    {"verbs": ["*"], "nonResourceURLs": ["*"]},
                ]
            elif mode == "Node" and node_name(user):
                unknown.append("node authorizer does not support user rule resolution")
            elif not isinstance(mode, str):
                unknown.append("webhook authorizer does not support user rule resolution")
        return rules, unknown

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rbac.run())
            group.create_task(self.node.run())

    async def wait_synced(self) -> None:
        await self.rbac.wait_synced()
        await self.node.wait_synced()
