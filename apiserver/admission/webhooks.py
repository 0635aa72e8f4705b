"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: others are asked before an object is stored.

Mutating webhooks are asked one after the other, by the names of their configurations; each sees what the one before
made of the object. Where one changes it, those before it that want to (`reinvocationPolicy: IfNeeded`) see it once
more, and so do all other mutating plugins. Validating webhooks are asked all at once.

A webhook that cannot be asked, or answers badly, is as if it were not there (failurePolicy Ignore) or refuses (Fail).

Source: Kubernetes "Dynamic Admission Control"; apiserver pkg/admission/plugin/webhook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.collection import Collection
from apiserver.admission.expressions import conditions_hold, values_of
from apiserver.admission.lookup import Lookup, Plugin, forbidden
from apiserver.admission.matching import (
    Converter,
    Criteria,
    OtherVersions,
    convert,
    find,
    is_exempt,
    is_in_namespace,
    replace_object,
    show_whole,
)
from apiserver.admission.review import VERSIONS, Answer, BadReview, read_answer, review_of
from apiserver.admission.rounds import Rounds
from apiserver.webhook_client import CallFailed, WebhookClient
from client.logs import get_logger
from machinery.cel import CelError, Environment
from machinery.errors import ApiError, BadRequest, InternalError
from machinery.patch import PatchError, json_patch

log = get_logger("apiserver.admission.webhooks")

NewUid = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook of a configuration, read once."""

    id: str
    name: str
    wire: Obj
    criteria: Criteria
    version: str

    @property
    def fails_closed(self) -> bool:
        return self.wire.get("failurePolicy") != "Ignore"

    @property
    def timeout_s(self) -> float:
        return float(self.wire.get("timeoutSeconds") or 10)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one webhook is shown: the version it knows, and the objects in it."""

    resource: Resource
    obj: Obj | None
    old: Obj | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What both plugins need."""

    client: WebhookClient
    namespaces: Lookup
    others: OtherVersions
    converter: Converter
    new_uid: NewUid
    environment: Environment


def hooks_of(configurations: Sequence[Obj]) -> list[Hook]:
    """In the order they are asked in."""
    found: list[Hook] = []
    for configuration in sorted(configurations, key=lambda each: str(each["metadata"]["name"])):
        owner = configuration["metadata"]["name"]
        for wire in configuration.get("webhooks") or ():
            known = wire.get("admissionReviewVersions") or ()
            version = next((each for each in known if each in VERSIONS), "v1")
            found.append(Hook(f"{owner}/{wire['name']}", wire["name"], wire, Criteria.of(wire), version))
    return found


class _Webhooks(Plugin):
    mutating = False

    def __init__(self, configurations: Collection, surroundings: Surroundings) -> None:
        self._configurations = configurations
        self._around = surroundings
        self._hooks: tuple[int, list[Hook]] = (-1, [])

    def handles(self, request: AdmissionRequest) -> bool:
        return not is_exempt(request)

    async def close(self) -> None:
        await self._around.client.close()

    async def _all(self) -> list[Hook]:
        configurations = await self._configurations.all()
        if self._hooks[0] != self._configurations.generation:
            self._hooks = (self._configurations.generation, hooks_of(configurations))
        return self._hooks[1]

    async def _matching(self, hook: Hook, request: AdmissionRequest) -> Shown | None:
        """Raises Forbidden where a condition cannot be evaluated and the webhook must not be left out."""
        resource = find(hook.criteria, request, self._around.others)
        if resource is None:
            return None
        namespace = await self._namespace(request)
        if not is_in_namespace(hook.criteria, request, namespace):
            return None
        show_whole(request)
        shown = Shown(
            resource,
            await convert(self._around.converter, request.obj, request.resource, resource),
            await convert(self._around.converter, request.old, request.resource, resource),
        )
        conditions = hook.wire.get("matchConditions") or ()
        if not conditions:
            return shown
        values = values_of(request, resource, shown.obj, shown.old, namespace)
        try:
            return shown if conditions_hold(self._around.environment, conditions, values) else None
        except CelError as error:
            if hook.fails_closed:
                raise forbidden(request, str(error)) from error
            return None

    async def _namespace(self, request: AdmissionRequest) -> Obj | None:
        return await self._around.namespaces("", request.namespace) if request.namespace else None

    async def _ask(self, hook: Hook, request: AdmissionRequest, shown: Shown) -> Answer | None:
        """None where the webhook failed and may be left out. Raises InternalError where it may not."""
        if request.dry_run and hook.wire.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        uid = self._around.new_uid()
        body = review_of(hook.version, uid, request, shown.resource, shown.obj, shown.old)
        try:
            data = await self._around.client.call(hook.wire.get("clientConfig") or {}, body, hook.timeout_s)
            answer = read_answer(hook.name, hook.version, uid, data, mutating=self.mutating)
        except (CallFailed, BadReview) as error:
            why = f"failed to call webhook: {error}" if isinstance(error, CallFailed) else str(error)
            if hook.fails_closed:
                raise InternalError(
                    f'Internal error occurred: failed calling webhook "{hook.name}": {why}'
                ) from error
            log.warning("a webhook failed and is left out", webhook=hook.id, why=why)
            return None
        request.warnings.extend(answer.warnings)
        request.annotations.update(answer.annotations)
        return answer


class MutatingAdmissionWebhook(_Webhooks):
    name = "MutatingAdmissionWebhook"
    mutating = True

    async def admit(self, request: AdmissionRequest) -> bool | None:
        hooks = await self._all()
        if not hooks:
            return False
        rounds = Rounds.of(request, self.name)
        rounds.begin(request)
        for hook in hooks:
            if not rounds.is_due(request, hook.id):
                continue
            shown = await self._matching(hook, request)
            answer = await self._ask(hook, request, shown) if shown is not None else None
            if shown is None or answer is None:
                continue
            if answer.refusal is not None:
                raise answer.refusal
            if answer.patch is not None and await self._apply(hook, request, shown, answer.patch):
                rounds.changed(request)
            if hook.wire.get("reinvocationPolicy") == "IfNeeded":
                rounds.asked_again(hook.id)
        rounds.end(request)
        return rounds.has_changed

    async def _apply(self, hook: Hook, request: AdmissionRequest, shown: Shown, patch: list[Any]) -> bool:
        """Changes the request's object in place; False where the patch made no difference."""
        if shown.obj is None or request.obj is None:
            raise InternalError(
                f'Internal error occurred: admission webhook "{hook.name}" attempted to modify the object, '
                "which is not supported for this operation"
            )
        try:
            patched = json_patch.apply(shown.obj, patch)
            if patched == shown.obj:
                return False
            await replace_object(self._around.converter, request, patched, shown.resource)
        except (PatchError, ApiError) as error:
            raise InternalError(f"Internal error occurred: {error}") from error
        return True


class ValidatingAdmissionWebhook(_Webhooks):
    name = "ValidatingAdmissionWebhook"

    async def validate(self, request: AdmissionRequest) -> None:
        hooks = await self._all()
        if not hooks:
            return
        due = [(hook, shown) for hook in hooks if (shown := await self._matching(hook, request)) is not None]
        answers = await asyncio.gather(
            *(self._ask(hook, request, shown) for hook, shown in due), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            if answer is not None and answer.refusal is not None:
                raise answer.refusal
