"""Everything that decides who may do what, as one value; made once the built-in stores are open.

Authentication, authorization and admission follow stores (roles, pods, service accounts), so they cannot be made
before those: `ApiServer` calls the `make_guard` it was given with its engine.

    rbac_guard   certificates, tokens, Node and RBAC authorizers, all admission plugins
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.resource import Obj
from apiserver.admission.admission import AdmissionPlugin
from apiserver.auth import chain
from apiserver.auth.bootstrap import ensure_policy
from apiserver.auth.chain import SecurityOptions
from apiserver.auth.seams import Authenticator, Authorizer, Credentials
from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import User
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.reviews import ReviewToken, RulesFor
from apiserver.http.identify import Anonymity
from apiserver.http.paths import OPEN_PATHS, Keys
from apiserver.http.resources import Action
from apiserver.storage.store import Store
from machinery.clock import Clock
from machinery.errors import Unauthorized


async def _nothing() -> None:
    return None


@dataclass(slots=True)
class Guard:
    """`run` keeps the parts current until cancelled, and nobody may be let in when it fails; what runs `beside` it, by name, can
    fail and be started again. `prepare` writes the default policy and waits until it holds."""

    authenticators: Sequence[Authenticator]
    authorizer: Authorizer
    rules_for: RulesFor
    review_token: ReviewToken
    admission: Sequence[AdmissionPlugin] = ()
    run: Callable[[], Awaitable[None]] = _nothing
    beside: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    prepare: Callable[[], Awaitable[None]] = _nothing
    keys: Keys | None = None
    # POST to serviceaccounts/NAME/token; None where no key signs tokens
    issue_token: Action | None = None
    anonymity: Anonymity = field(default_factory=lambda: Anonymity(OPEN_PATHS))


Follow = Callable[[chain.Security], Coroutine[Any, Any, None]]
MakeGuard = Callable[[Engine], Guard]
MakeAdmission = Callable[[Engine, chain.Security], Sequence[AdmissionPlugin]]


def rbac_guard(
    engine: Engine,
    *,
    signer: TokenSigner,
    clock: Clock,
    rng: random.Random,
    make_admission: MakeAdmission,
    options: SecurityOptions | None = None,
    anonymity: Anonymity | None = None,
    follow: Follow | None = None,
) -> Guard:
    """`follow` runs beside the server and may change security while it runs (files that are read again)."""
    stores = chain.SecurityStores(
        roles=store_of(engine, "rbac.authorization.k8s.io", "roles"),
        role_bindings=store_of(engine, "rbac.authorization.k8s.io", "rolebindings"),
        cluster_roles=store_of(engine, "rbac.authorization.k8s.io", "clusterroles"),
        cluster_role_bindings=store_of(engine, "rbac.authorization.k8s.io", "clusterrolebindings"),
        service_accounts=store_of(engine, "", "serviceaccounts"),
        pods=store_of(engine, "", "pods"),
        secrets=store_of(engine, "", "secrets"),
        nodes=store_of(engine, "", "nodes"),
    )
    security = chain.Security(stores, signer, clock, rng, options)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(security.run(), name="authorizers")
            if follow is not None:
                group.create_task(follow(security), name="security files")

    async def prepare() -> None:
        await ensure_policy(stores, clock, rng)
        await security.wait_synced()

    async def issue(engine: Engine, call: Call, request: Obj) -> Written:
        answer = await security.tokens.issue(call.namespace, call.name, request)
        return Written(201, orjson.dumps(answer), answer)

    async def review(token: str, wanted: Sequence[str]) -> tuple[User, list[str]]:
        if signer.is_ours(token):
            return await security.service_accounts.authenticate_token(token, wanted)
        user = await security.authenticator.authenticate(Credentials(bearer_token=token))
        if user is None:
            raise Unauthorized("invalid bearer token")
        # Who knows nothing of audiences speaks for this API server's.
        own = security.service_accounts.api_audiences
        meant = [each for each in wanted if each in own] if wanted else list(own)
        if not meant:
            raise Unauthorized(f"the token is for {list(own)}, not for {list(wanted)}")
        return user, meant

    return Guard(
        [security.authenticator],
        security.authorizer,
        security.rules_for,
        review,
        make_admission(engine, security),
        run,
        {"use of legacy tokens": security.legacy_use.run},
        prepare,
        signer,
        issue,
        anonymity or Anonymity(OPEN_PATHS),
    )


def store_of(engine: Engine, group: str, plural: str) -> Store:
    served = engine.catalog.find(group, plural)
    if served is None:
        raise LookupError(f"{plural} in group {group!r} are not served, but security needs them")
    return served.store
