"""Issues ServiceAccount tokens: what POST serviceaccounts/NAME/token does.

In comes a TokenRequest, out goes the same with its status. A token lives from ten minutes to the asked
time and may be bound to a pod, a secret or a node, with which it ends.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.auth.serviceaccounts import PREFIX, PRIVATE
from apiserver.auth.signing import TokenSigner
from apiserver.storage.store import Obj, Store
from machinery.clock import Clock, rfc3339
from machinery.errors import BadRequest, Cause, Conflict, NotFound, invalid, not_found

DEFAULT_S = 3600
SHORTEST_S = 600
LONGEST_S = 1 << 32
# What the ServiceAccount admission asks for in every pod. Programs that read their token only once go on working: such a
# token is good for a year (less seven seconds), though its reader is told to fetch another within the hour.
PROJECTED_S = 3607
EXTENDED_S = 365 * 24 * 3600 - 7


class TokenIssuer:
    def __init__(
        self,
        signer: TokenSigner,
        *,
        service_accounts: Store,
        pods: Store,
        secrets: Store,
        nodes: Store,
        clock: Clock,
        rng: random.Random,
        api_audiences: Sequence[str] = (),
        longest_s: int = 365 * 24 * 3600,
        extend: bool = False,
    ) -> None:
        self._signer = signer
        self._accounts = service_accounts
        self._stores = {"Pod": pods, "Secret": secrets, "Node": nodes}
        self._clock = clock
        self._rng = rng
        self._api_audiences = tuple(api_audiences) or (signer.issuer,)
        self._longest_s = longest_s
        self._extend = extend

    async def issue(self, namespace: str, name: str, request: Obj) -> Obj:
        """`request` is a TokenRequest and is not changed. Raises NotFound, Invalid, Conflict, BadRequest."""
        account = await _load(self._accounts, "serviceaccounts", namespace, name)
        spec = request.get("spec") or {}
        lifetime_s = spec.get("expirationSeconds") or DEFAULT_S
        causes = check_lifetime(lifetime_s)
        if causes:
            raise invalid("authentication.k8s.io", "TokenRequest", "", causes)
        lifetime_s = min(lifetime_s, self._longest_s)
        audiences = list(spec.get("audiences") or self._api_audiences)
        now = int(self._clock.now())
        private: dict[str, Any] = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        }
        if spec.get("boundObjectRef"):
            private.update(await self._bind(namespace, name, spec["boundObjectRef"]))
        ends_s = now + lifetime_s
        ours = all(each in self._api_audiences for each in audiences)
        if self._extend and ours and spec.get("expirationSeconds") == PROJECTED_S:
            private["warnafter"] = ends_s
            ends_s = now + min(EXTENDED_S, self._longest_s)
        token = self._signer.sign(
            {
                "iss": self._signer.issuer,
                "sub": f"{PREFIX}{namespace}:{name}",
                "aud": audiences,
                "iat": now,
                "nbf": now,
                "exp": ends_s,
                "jti": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
                PRIVATE: private,
            }
        )
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": rfc3339(now)},
            "spec": {"boundObjectRef": None, **spec, "audiences": audiences, "expirationSeconds": lifetime_s},
            "status": {"token": token, "expirationTimestamp": rfc3339(now + lifetime_s)},
        }

    async def _bind(self, namespace: str, account: str, ref: Obj) -> dict[str, Any]:
        """The claims that bind the token to an object, which must exist and be the one that is meant."""
        kind, name = ref.get("kind", ""), ref.get("name", "")
        store = self._stores.get(kind)
        if store is None or ref.get("apiVersion", "v1") != "v1":
            group, _, version = str(ref.get("apiVersion", "v1")).rpartition("/")
            raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
        obj = await _load(store, kind.lower() + "s", "" if kind == "Node" else namespace, name)
        uid = obj["metadata"]["uid"]
        if ref.get("uid") and ref["uid"] != uid:
            raise Conflict(
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
        claims: dict[str, Any] = {kind.lower(): {"name": name, "uid": uid}}
        if kind == "Pod":
            uses = obj["spec"].get("serviceAccountName") or "default"
            if uses != account:
                raise BadRequest(
                    f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
                )
            await self._add_node(claims, obj["spec"].get("nodeName", ""))
        return claims

    async def _add_node(self, claims: dict[str, Any], node_name: str) -> None:
        """Tells which node the pod runs on, where it is known."""
        if not node_name:
            return
        try:
            node = await _load(self._stores["Node"], "nodes", "", node_name)
        except NotFound:
            claims["node"] = {"name": node_name}
            return
        claims["node"] = {"name": node_name, "uid": node["metadata"]["uid"]}


def check_lifetime(lifetime_s: object) -> list[Cause]:
    path = "spec.expirationSeconds"
    if not isinstance(lifetime_s, int) or lifetime_s < SHORTEST_S:
        message = f"Invalid value: {lifetime_s}: may not specify a duration less than 10 minutes"
        return [Cause("FieldValueInvalid", message, path)]
    if lifetime_s > LONGEST_S:
        message = f"Invalid value: {lifetime_s}: may not specify a duration larger than 2^32 seconds"
        return [Cause("FieldValueInvalid", message, path)]
    return []


async def _load(store: Store, plural: str, namespace: str, name: str) -> Obj:
    entry = await store.get(namespace, name)
    if entry is None:
        raise not_found("", plural, name)
    obj: Obj = orjson.loads(entry.data)
    return obj
