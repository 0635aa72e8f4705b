"""MutatingWebhookConfiguration and ValidatingWebhookConfiguration: whom to ask before an object is stored."""

from collections.abc import Sequence
from typing import Any

from api.builtin import builtin
from api.columns import AGE, NAME
from api.resource import Column, Resource, Strategy
from api.validation.webhook import default_webhooks, validate_webhooks
from machinery.errors import Cause
from machinery.gvk import GVR

Obj = dict[str, Any]


class WebhookConfigurationStrategy(Strategy):
    allow_unconditional_update = False

    def __init__(self, *, mutating: bool) -> None:
        self._mutating = mutating

    def default(self, obj: Obj) -> None:
        default_webhooks(obj, mutating=self._mutating)

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_webhooks(obj, mutating=self._mutating)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return validate_webhooks(obj, mutating=self._mutating, old=old)


def _configuration(kind: str, *, mutating: bool) -> Resource:
    plural = f"{kind.lower()}s"
    return builtin(
        GVR("admissionregistration.k8s.io", "v1", plural, namespaced=False, kind=kind),
        f"api.admissionregistration.v1.webhook_types:{kind}",
        strategy=WebhookConfigurationStrategy(mutating=mutating),
        columns=(
            NAME,
            Column(
                "Webhooks",
                lambda obj, now: len(obj.get("webhooks") or ()),
                type="integer",
                description="How many webhooks there are.",
            ),
            AGE,
        ),
        categories=("api-extensions",),
    )


MUTATINGWEBHOOKCONFIGURATION = _configuration("MutatingWebhookConfiguration", mutating=True)
VALIDATINGWEBHOOKCONFIGURATION = _configuration("ValidatingWebhookConfiguration", mutating=False)
