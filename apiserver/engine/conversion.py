"""Objects in other versions of their kind: by functions that a Resource brings along, or by asking a webhook.

    Conversions.convert(objs, source, target)      both Resources share a store
    BuiltInForm, CustomForm                        what a `storage.view.View` needs to show what is stored as `target`

A custom resource says in each object which version it is of, and its definition may have changed since it was stored:
what comes from the store is first pruned and completed by the schema of the version it was stored in, then converted,
then pruned by the schema of the version it becomes.

Source: Kubernetes "Versions in CustomResourceDefinitions"; "Defaulting" in "Custom Resources".
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from api.resource import Obj, Resource
from apiserver.engine.conversion_review import BadConversion, read_review, review_of, review_version
from apiserver.webhook_client import CallFailed
from machinery.errors import InternalError
from machinery.objects import deep_copy

# (clientConfig, body, seconds) → the answer's body. Raises CallFailed.
Ask = Callable[[Obj, bytes, float], Awaitable[bytes]]
NewUid = Callable[[], str]
TIMEOUT_S = 30.0


async def _nobody(config: Obj, body: bytes, timeout_s: float) -> bytes:
    raise CallFailed("this server has no way to webhooks")


class Conversions:
    def __init__(self, ask: Ask = _nobody, new_uid: NewUid = lambda: str(uuid.UUID(int=0))) -> None:
        self._ask = ask
        self._new_uid = new_uid

    async def convert(self, objs: Sequence[Obj], source: Resource, target: Resource) -> list[Obj]:
        """`objs` may be used up. Raises InternalError where a webhook fails."""
        if target.conversion_webhook is None:
            to_storage, from_storage = source.to_storage, target.from_storage
            stored = objs if to_storage is None else [to_storage(obj) for obj in objs]
            return list(stored) if from_storage is None else [from_storage(obj) for obj in stored]
        wanted = target.gvr.api_version
        out = list(objs)
        due = [index for index, obj in enumerate(out) if obj.get("apiVersion") != wanted]
        if due:
            made = await self._by_webhook(target.conversion_webhook, [out[index] for index in due], wanted)
            for index, obj in zip(due, made, strict=True):
                out[index] = obj
        return out

    async def _by_webhook(self, webhook: Mapping[str, object], objs: list[Obj], wanted: str) -> list[Obj]:
        config, known = webhook.get("clientConfig"), webhook.get("conversionReviewVersions")
        assert isinstance(config, dict)
        assert isinstance(known, list)
        uid = self._new_uid()
        try:
            version = review_version(known)
            body = review_of(version, uid, objs, wanted)
            return read_review(version, uid, await self._ask(config, body, TIMEOUT_S), objs, wanted)
        except CallFailed as error:
            raise InternalError(f"conversion webhook for {_kind(objs[0])} failed: {error}") from error
        except BadConversion as error:
            raise InternalError(f"conversion webhook for {_kind(objs[0])} {error}") from error


def _kind(obj: Obj) -> str:
    return f"{obj.get('apiVersion')}, Kind={obj.get('kind')}"


class BuiltInForm:
    """A built-in kind in a version that is not the stored one."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    async def shown(self, objs: Sequence[Obj]) -> list[Obj]:
        convert = self._resource.from_storage
        return list(objs) if convert is None else [convert(obj) for obj in objs]

    async def stored(self, obj: Obj) -> Obj:
        convert = self._resource.to_storage
        # The writer keeps its object, and `convert` may change what it gets.
        return obj if convert is None else convert(deep_copy(obj))


class CustomForm:
    """A custom resource in one version. `versions`: every version of the definition by apiVersion, also unserved ones."""

    def __init__(
        self, conversions: Conversions, target: Resource, stored: Resource, versions: Mapping[str, Resource]
    ) -> None:
        self._conversions = conversions
        self._target = target
        self._stored = stored
        self._versions = versions

    async def shown(self, objs: Sequence[Obj]) -> list[Obj]:
        completed = [self._completed(obj) for obj in objs]
        wanted = self._target.gvr.api_version
        if all(obj["apiVersion"] == wanted for obj in completed):
            return completed
        made = await self._conversions.convert(completed, self._stored, self._target)
        return [self._pruned(obj) for obj in made]

    async def stored(self, obj: Obj) -> Obj:
        if self._target is self._stored:
            return obj
        (made,) = await self._conversions.convert([deep_copy(obj)], self._target, self._stored)
        return self._pruned(made)

    def _completed(self, obj: Obj) -> Obj:
        version = self._versions.get(obj.get("apiVersion", ""))
        if version is None:
            return obj  # a version that the definition has lost: only conversion may know it
        clean = version.codec().repair(obj)
        version.strategy.default(clean)
        return clean

    def _pruned(self, obj: Obj) -> Obj:
        return self._versions[obj["apiVersion"]].codec().repair(obj)
