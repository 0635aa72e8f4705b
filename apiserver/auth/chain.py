"""Puts security together: who asks is settled by the first authenticator that knows, may they by the first
authorizer that allows. `Security` is what the server composes; the pieces stand alone.

    in-process user → client certificate → token file → ServiceAccount token ──► impersonation
    system:masters → Node → RBAC
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from apiserver.auth.impersonation import impersonate, is_asked
from apiserver.auth.node import NodeAuthorizer
from apiserver.auth.rbac import RBACAuthorizer
from apiserver.auth.seams import Authenticator, Authorizer, Credentials, Decision
from apiserver.auth.serviceaccounts import ServiceAccountAuthenticator
from apiserver.auth.signing import TokenSigner
from apiserver.auth.token_file import TokenFileAuthenticator
from apiserver.auth.tokens import TokenIssuer
from apiserver.auth.user import Attributes, User
from apiserver.auth.x509 import CertificateAuthenticator
from apiserver.storage.store import Store
from machinery.clock import Clock

MASTERS = "system:masters"
ALLOWED = Decision(True)
NO_OPINION = Decision(False)


class InProcessAuthenticator:
    """Believes the in-process transport, which nothing from the network can pretend to be."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        return credentials.in_process_user


class AuthenticatorChain:
    """The first that knows the caller wins; then impersonation, by `authorizer`."""

    def __init__(self, authenticators: Sequence[Authenticator], authorizer: Authorizer) -> None:
        self._authenticators = tuple(authenticators)
        self._authorizer = authorizer

    async def authenticate(self, credentials: Credentials) -> User | None:
        for authenticator in self._authenticators:
            user = await authenticator.authenticate(credentials)
            if user is not None:
                if is_asked(credentials.headers):
                    return impersonate(user, credentials.headers or {}, self._authorizer)
                return user
        return None


class MastersAuthorizer:
    """system:masters may do everything, also while no role is there yet."""

    def authorize(self, attributes: Attributes) -> Decision:
        return ALLOWED if MASTERS in attributes.user.groups else NO_OPINION


class AuthorizerChain:
    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, attributes: Attributes) -> Decision:
        reasons = []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(attributes)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, ", ".join(reasons)) if reasons else NO_OPINION


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


class Security:
    """Everything above, built and kept current: `run` until cancelled, `wait_synced` before serving."""

    def __init__(
        self,
        stores: SecurityStores,
        signer: TokenSigner,
        clock: Clock,
        rng: random.Random,
        *,
        api_audiences: Sequence[str] = (),
        token_file: TokenFileAuthenticator | None = None,
    ) -> None:
        self.signer = signer
        self.rbac = RBACAuthorizer(
            roles=stores.roles,
            role_bindings=stores.role_bindings,
            cluster_roles=stores.cluster_roles,
            cluster_role_bindings=stores.cluster_role_bindings,
        )
        self.node = NodeAuthorizer(stores.pods)
        self.authorizer = AuthorizerChain([MastersAuthorizer(), self.node, self.rbac])
        self.service_accounts = ServiceAccountAuthenticator(
            signer,
            service_accounts=stores.service_accounts,
            pods=stores.pods,
            secrets=stores.secrets,
            nodes=stores.nodes,
            clock=clock,
            api_audiences=api_audiences,
        )
        self.tokens = TokenIssuer(
            signer,
            service_accounts=stores.service_accounts,
            pods=stores.pods,
            secrets=stores.secrets,
            nodes=stores.nodes,
            clock=clock,
            rng=rng,
            api_audiences=api_audiences,
        )
        authenticators: list[Authenticator] = [InProcessAuthenticator(), CertificateAuthenticator(clock)]
        if token_file is not None:
            authenticators.append(token_file)
        authenticators.append(self.service_accounts)
        self.authenticator = AuthenticatorChain(authenticators, self.authorizer)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rbac.run())
            group.create_task(self.node.run())

    async def wait_synced(self) -> None:
        await self.rbac.wait_synced()
        await self.node.wait_synced()
