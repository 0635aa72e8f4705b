"""The wire form of the configurations of mutating and validating webhooks."""

from typing import Annotated, Required, TypedDict

from api.admissionregistration.v1.rule import MatchCondition, RuleWithOperations
from api.annotations import ATOMIC, Bytes, Enum, Int32, ListMap, Patch, Proto
from api.meta.v1 import LabelSelector, ObjectMeta


class ServiceReference(TypedDict, total=False):
    """A service that answers."""

    namespace: Required[Annotated[str, Proto(1), "Its namespace."]]
    name: Required[Annotated[str, Proto(2), "Its name."]]
    path: Annotated[str, Proto(3), "The path of the URL."]
    port: Annotated[Int32, Proto(4), "Its port; 443 where unset."]


class WebhookClientConfig(TypedDict, total=False):
    """How to reach a webhook."""

    service: Annotated[ServiceReference, Proto(1), "The service that answers."]
    caBundle: Annotated[Bytes, Proto(2), "Authorities in PEM that its certificate is checked by."]
    url: Annotated[str, Proto(3), "Its URL; either this or a service."]


class ValidatingWebhook(TypedDict, total=False):
    """Somebody to ask before an object is stored."""

    name: Required[Annotated[str, Proto(1), "Its name, such as check.example.com."]]
    clientConfig: Required[Annotated[WebhookClientConfig, Proto(2), "How to reach it."]]
    rules: Annotated[list[RuleWithOperations], Proto(3), ATOMIC, "Operations that it is asked about."]
    failurePolicy: Annotated[str, Proto(4), Enum("Fail", "Ignore"), "What an error means: Ignore or Fail."]
    namespaceSelector: Annotated[LabelSelector, Proto(5), "Namespaces of the objects."]
    sideEffects: Required[
        Annotated[
            str,
            Proto(6),
            Enum("None", "NoneOnDryRun", "Some", "Unknown"),
            "Whether asking has effects: None, NoneOnDryRun.",
        ]
    ]
    timeoutSeconds: Annotated[Int32, Proto(7), "How long to wait for it; 10 where unset."]
    admissionReviewVersions: Required[
        Annotated[
            list[str], Proto(8), ATOMIC, "Versions of AdmissionReview that it knows, the preferred one first."
        ]
    ]
    matchPolicy: Annotated[
        str,
        Proto(9),
        Enum("Equivalent", "Exact"),
        "Whether other versions of a kind count: Exact or Equivalent.",
    ]
    objectSelector: Annotated[LabelSelector, Proto(10), "Labels of the objects."]
    matchConditions: Annotated[
        list[MatchCondition],
        Proto(11),
        ListMap("name"),
        Patch("merge", "name"),
        "Conditions in CEL; all must hold for it to be asked.",
    ]


class ValidatingWebhookConfiguration(TypedDict, total=False):
    """Webhooks that may refuse an object."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    webhooks: Annotated[
        list[ValidatingWebhook], Proto(2), ListMap("name"), Patch("merge", "name"), "The webhooks."
    ]


class MutatingWebhook(TypedDict, total=False):
    """Somebody to ask before an object is stored, who may change it."""

    name: Required[Annotated[str, Proto(1), "Its name, such as inject.example.com."]]
    clientConfig: Required[Annotated[WebhookClientConfig, Proto(2), "How to reach it."]]
    rules: Annotated[list[RuleWithOperations], Proto(3), ATOMIC, "Operations that it is asked about."]
    failurePolicy: Annotated[str, Proto(4), Enum("Fail", "Ignore"), "What an error means: Ignore or Fail."]
    namespaceSelector: Annotated[LabelSelector, Proto(5), "Namespaces of the objects."]
    sideEffects: Required[
        Annotated[
            str,
            Proto(6),
            Enum("None", "NoneOnDryRun", "Some", "Unknown"),
            "Whether asking has effects: None, NoneOnDryRun.",
        ]
    ]
    timeoutSeconds: Annotated[Int32, Proto(7), "How long to wait for it; 10 where unset."]
    admissionReviewVersions: Required[
        Annotated[
            list[str], Proto(8), ATOMIC, "Versions of AdmissionReview that it knows, the preferred one first."
        ]
    ]
    matchPolicy: Annotated[
        str,
        Proto(9),
        Enum("Equivalent", "Exact"),
        "Whether other versions of a kind count: Exact or Equivalent.",
    ]
    reinvocationPolicy: Annotated[
        str,
        Proto(10),
        Enum("IfNeeded", "Never"),
        "Whether it is asked again after others changed the object: Never or IfNeeded.",
    ]
    objectSelector: Annotated[LabelSelector, Proto(11), "Labels of the objects."]
    matchConditions: Annotated[
        list[MatchCondition],
        Proto(12),
        ListMap("name"),
        Patch("merge", "name"),
        "Conditions in CEL; all must hold for it to be asked.",
    ]


class MutatingWebhookConfiguration(TypedDict, total=False):
    """Webhooks that may change an object."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    webhooks: Annotated[
        list[MutatingWebhook], Proto(2), ListMap("name"), Patch("merge", "name"), "The webhooks."
    ]
