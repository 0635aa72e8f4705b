"""CustomResourceDefinition: a kind that a user adds. It is served as soon as it is stored.

What its objects look like is in `structural`, how they are served in `customresource`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Required, TypedDict

from api.annotations import ATOMIC, Bytes, In, Int32, Int64, ListMap, Proto, Time
from api.apiextensions.v1.conditions import mark_deleted
from api.builtin import builtin, status_of
from api.columns import CREATED_AT, NAME
from api.meta.v1 import ObjectMeta
from api.resource import Obj
from api.strategy import SpecStatusStrategy
from machinery.errors import Cause
from machinery.gvk import CRDS

if TYPE_CHECKING:
    from api.apiextensions.v1.jsonschema import JSONSchemaProps


class CustomResourceColumnDefinition(TypedDict, total=False):
    """A column of what kubectl get prints."""

    name: Required[Annotated[str, Proto(1), "Its heading."]]
    type: Required[Annotated[str, Proto(2), "integer, number, string, boolean or date."]]
    format: Annotated[str, Proto(3)]
    description: Annotated[str, Proto(4)]
    priority: Annotated[Int32, Proto(5), "Above 0 it shows only with -o wide."]
    jsonPath: Required[Annotated[str, Proto(6), "The field, such as .spec.color."]]


class SelectableField(TypedDict, total=False):
    """A field that field selectors may name."""

    jsonPath: Required[Annotated[str, Proto(1), "The field, such as .spec.color."]]


class CustomResourceSubresourceScale(TypedDict, total=False):
    """Where the replica counts of an object are."""

    specReplicasPath: Required[
        Annotated[str, Proto(1), "Where the wanted number is, such as .spec.replicas."]
    ]
    statusReplicasPath: Required[
        Annotated[str, Proto(2), "Where the actual number is, such as .status.replicas."]
    ]
    labelSelectorPath: Annotated[str, Proto(3), "Where the selector of the pods is, as text."]


class CustomResourceSubresourceStatus(TypedDict, total=False):
    """Asks for a status subresource; has no settings."""


class CustomResourceSubresources(TypedDict, total=False):
    """Subresources of a custom resource."""

    status: Annotated[
        CustomResourceSubresourceStatus, Proto(1), "Writes to status go through a subresource of their own."
    ]
    scale: Annotated[CustomResourceSubresourceScale, Proto(2), "Objects can be scaled."]


class CustomResourceValidation(TypedDict, total=False):
    """The schema of a version."""

    openAPIV3Schema: Annotated[
        "JSONSchemaProps", Proto(1), In("api.apiextensions.v1.jsonschema"), "A structural JSON schema."
    ]


class CustomResourceDefinitionVersion(TypedDict, total=False):
    """One version of the kind."""

    name: Required[Annotated[str, Proto(1), "Such as v1 or v1beta2."]]
    served: Required[Annotated[bool, Proto(2), "Whether it is offered."]]
    storage: Required[Annotated[bool, Proto(3), "Whether objects are stored in it."]]
    schema: Annotated[CustomResourceValidation, Proto(4), "What its objects look like."]
    subresources: Annotated[CustomResourceSubresources, Proto(5), "Which subresources they have."]
    additionalPrinterColumns: Annotated[
        list[CustomResourceColumnDefinition], Proto(6), ATOMIC, "What kubectl get prints of them."
    ]
    deprecated: Annotated[bool, Proto(7), "Whether its users are warned."]
    deprecationWarning: Annotated[str, Proto(8), "What to warn them with."]
    selectableFields: Annotated[
        list[SelectableField], Proto(9), ATOMIC, "Which fields field selectors may name."
    ]


class ServiceReference(TypedDict, total=False):
    """A service that answers a webhook."""

    namespace: Required[Annotated[str, Proto(1)]]
    name: Required[Annotated[str, Proto(2)]]
    path: Annotated[str, Proto(3)]
    port: Annotated[Int32, Proto(4)]


class WebhookClientConfig(TypedDict, total=False):
    """How to reach a webhook."""

    service: Annotated[ServiceReference, Proto(1)]
    caBundle: Annotated[Bytes, Proto(2)]
    url: Annotated[str, Proto(3)]


class WebhookConversion(TypedDict, total=False):
    """Conversion between versions by a webhook."""

    clientConfig: Annotated[WebhookClientConfig, Proto(2)]
    conversionReviewVersions: Required[Annotated[list[str], Proto(3), ATOMIC]]


class CustomResourceConversion(TypedDict, total=False):
    """How objects are converted between versions."""

    strategy: Required[Annotated[str, Proto(1), "None (only apiVersion differs) or Webhook."]]
    webhook: Annotated[WebhookConversion, Proto(2), "The webhook that converts."]


class CustomResourceDefinitionNames(TypedDict, total=False):
    """What the kind and its resource are called."""

    kind: Required[Annotated[str, Proto(4), "The kind, in CamelCase."]]
    plural: Required[Annotated[str, Proto(1), "The resource's name in URLs."]]
    singular: Annotated[str, Proto(2), "The name of one, for people."]
    shortNames: Annotated[list[str], Proto(3), ATOMIC, "Abbreviations for kubectl."]
    listKind: Annotated[str, Proto(5), "The kind of lists; KINDList where unset."]
    categories: Annotated[list[str], Proto(6), ATOMIC, "Groups of resources it belongs to, such as all."]


class CustomResourceDefinitionSpec(TypedDict, total=False):
    """How a kind is named, scoped and versioned."""

    group: Required[Annotated[str, Proto(1), "The API group; the definition is named PLURAL.GROUP."]]
    names: Required[
        Annotated[CustomResourceDefinitionNames, Proto(3), "What the kind and its resource are called."]
    ]
    scope: Required[Annotated[str, Proto(4), "Namespaced or Cluster."]]
    versions: Required[
        Annotated[
            list[CustomResourceDefinitionVersion],
            Proto(7),
            ATOMIC,
            "Its versions; exactly one of them is stored.",
        ]
    ]
    conversion: Annotated[CustomResourceConversion, Proto(9), "How objects are converted between versions."]
    preserveUnknownFields: Annotated[bool, Proto(10), "No longer allowed to be true."]


class CustomResourceDefinitionCondition(TypedDict, total=False):
    """One aspect of a definition's acceptance."""

    type: Required[Annotated[str, Proto(1), "NamesAccepted, Established, Terminating..."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]
    observedGeneration: Annotated[Int64, Proto(6), "The generation that this was seen of."]


class CustomResourceDefinitionStatus(TypedDict, total=False):
    """Whether a definition is served, and under which names."""

    conditions: Annotated[
        list[CustomResourceDefinitionCondition],
        Proto(1),
        ListMap("type"),
        "Aspects of its state, one of each type.",
    ]
    acceptedNames: Annotated[CustomResourceDefinitionNames, Proto(2), "The names under which it is served."]
    storedVersions: Annotated[list[str], Proto(3), ATOMIC, "Versions in which objects may still be stored."]
    observedGeneration: Annotated[Int64, Proto(4), "The generation that this was seen of."]


class CustomResourceDefinition(TypedDict, total=False):
    """A kind that a user adds."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[CustomResourceDefinitionSpec, Proto(2), "What is wanted."]]
    status: Annotated[CustomResourceDefinitionStatus, Proto(3), "What is; written by the system."]


class CustomResourceDefinitionStrategy(SpecStatusStrategy):
    allow_unconditional_update = False
    precondition_of_store = True

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        kind = names.get("kind", "")
        if kind:
            names.setdefault("singular", kind.lower())
            names.setdefault("listKind", f"{kind}List")
        status = obj.get("status")
        if isinstance(status, dict) and not status.get("storedVersions"):
            _note_stored(obj)
        conversion = spec.setdefault("conversion", {"strategy": "None"})
        if spec.get("preserveUnknownFields") is False:
            del spec["preserveUnknownFields"]
        for version in spec.get("versions") or ():
            version.setdefault("served", False)
            version.setdefault("storage", False)
            _drop_nulls((version.get("schema") or {}).get("openAPIV3Schema"))
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {}
        _note_stored(obj)

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        super().prepare_update(obj, old)
        _note_stored(obj)

    def mark_deleted(self, obj: Obj, now: str) -> bool:
        mark_deleted(obj, now)
        return True

    # Schemas, and their checks, are imported only when a definition is written.

    def validate(self, obj: Obj) -> Sequence[Cause]:
        from api.apiextensions.v1.definition import validate_definition

        return validate_definition(obj)

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        from api.apiextensions.v1.definition import validate_definition_update

        return validate_definition_update(obj, old)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        from api.apiextensions.v1.definition import validate_definition_status

        return validate_definition_status(obj, old)

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        from api.apiextensions.v1.definition import unknown_formats

        before = unknown_formats(old) if old is not None else ()
        return [f'unrecognized format "{each}"' for each in unknown_formats(obj) if each not in before]


def _drop_nulls(schema: Obj | None) -> None:
    """A default, or an example, of null is none."""
    if schema is None:
        return
    from api.apiextensions.v1.schema_words import nodes

    for node in nodes(schema):
        for word in ("default", "example"):
            if word in node and node[word] is None:
                del node[word]


def _note_stored(crd: Obj) -> None:
    """Objects may be stored in the storage version from now on."""
    for version in (crd.get("spec") or {}).get("versions") or ():
        if version.get("storage"):
            status = crd["status"] = dict(crd.get("status") or {})
            stored = status.get("storedVersions") or []
            if version.get("name") not in stored:
                status["storedVersions"] = [*stored, version.get("name", "")]
            return


CUSTOMRESOURCEDEFINITION = builtin(
    CRDS,
    CustomResourceDefinition,
    strategy=CustomResourceDefinitionStrategy(),
    columns=(NAME, CREATED_AT),
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=(status_of("CustomResourceDefinition"),),
)
