"""TODO module"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Required, TypedDict

from api.annotations import ATOMIC, Bytes, In, Int32, Int64, ListMap, Proto, Time
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
    """TODO CustomResourceColumnDefinition"""

    name: Required[Annotated[str, Proto(1)]]
    type: Required[Annotated[str, Proto(2)]]
    format: Annotated[str, Proto(3)]
    description: Annotated[str, Proto(4)]
    priority: Annotated[Int32, Proto(5)]
    jsonPath: Required[Annotated[str, Proto(6)]]


class SelectableField(TypedDict, total=False):
    """TODO SelectableField"""

    jsonPath: Required[Annotated[str, Proto(1)]]


class CustomResourceSubresourceScale(TypedDict, total=False):
    """TODO CustomResourceSubresourceScale"""

    specReplicasPath: Required[Annotated[str, Proto(1)]]
    statusReplicasPath: Required[Annotated[str, Proto(2)]]
    labelSelectorPath: Annotated[str, Proto(3)]


class CustomResourceSubresourceStatus(TypedDict, total=False):
    """TODO CustomResourceSubresourceStatus"""


class CustomResourceSubresources(TypedDict, total=False):
    """TODO CustomResourceSubresources"""

    status: Annotated[CustomResourceSubresourceStatus, Proto(1)]
    scale: Annotated[CustomResourceSubresourceScale, Proto(2)]


class CustomResourceValidation(TypedDict, total=False):
    """TODO CustomResourceValidation"""

    openAPIV3Schema: Annotated["JSONSchemaProps", Proto(1), In("api.apiextensions.v1.jsonschema")]


class CustomResourceDefinitionVersion(TypedDict, total=False):
    """TODO CustomResourceDefinitionVersion"""

    name: Required[Annotated[str, Proto(1)]]
    served: Required[Annotated[bool, Proto(2)]]
    storage: Required[Annotated[bool, Proto(3)]]
    schema: Annotated[CustomResourceValidation, Proto(4)]
    subresources: Annotated[CustomResourceSubresources, Proto(5)]
    additionalPrinterColumns: Annotated[list[CustomResourceColumnDefinition], Proto(6), ATOMIC]
    deprecated: Annotated[bool, Proto(7)]
    deprecationWarning: Annotated[str, Proto(8)]
    selectableFields: Annotated[list[SelectableField], Proto(9), ATOMIC]


class ServiceReference(TypedDict, total=False):
    """TODO ServiceReference"""

    namespace: Required[Annotated[str, Proto(1)]]
    name: Required[Annotated[str, Proto(2)]]
    path: Annotated[str, Proto(3)]
    port: Annotated[Int32, Proto(4)]


class WebhookClientConfig(TypedDict, total=False):
    """TODO WebhookClientConfig"""

    service: Annotated[ServiceReference, Proto(1)]
    caBundle: Annotated[Bytes, Proto(2)]
    url: Annotated[str, Proto(3)]


class WebhookConversion(TypedDict, total=False):
    """TODO WebhookConversion"""

    clientConfig: Annotated[WebhookClientConfig, Proto(2)]
    conversionReviewVersions: Required[Annotated[list[str], Proto(3), ATOMIC]]


class CustomResourceConversion(TypedDict, total=False):
    """TODO CustomResourceConversion"""

    strategy: Required[Annotated[str, Proto(1)]]
    webhook: Annotated[WebhookConversion, Proto(2)]


class CustomResourceDefinitionNames(TypedDict, total=False):
    """TODO CustomResourceDefinitionNames"""

    kind: Required[Annotated[str, Proto(4)]]
    plural: Required[Annotated[str, Proto(1)]]
    singular: Annotated[str, Proto(2)]
    shortNames: Annotated[list[str], Proto(3), ATOMIC]
    listKind: Annotated[str, Proto(5)]
    categories: Annotated[list[str], Proto(6), ATOMIC]


class CustomResourceDefinitionSpec(TypedDict, total=False):
    """TODO CustomResourceDefinitionSpec"""

    group: Required[Annotated[str, Proto(1)]]
    names: Required[Annotated[CustomResourceDefinitionNames, Proto(3)]]
    scope: Required[Annotated[str, Proto(4)]]
    versions: Required[Annotated[list[CustomResourceDefinitionVersion], Proto(7), ATOMIC]]
    conversion: Annotated[CustomResourceConversion, Proto(9)]
    preserveUnknownFields: Annotated[bool, Proto(10)]


class CustomResourceDefinitionCondition(TypedDict, total=False):
    """TODO CustomResourceDefinitionCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    lastTransitionTime: Annotated[Time, Proto(3)]
    reason: Annotated[str, Proto(4)]
    message: Annotated[str, Proto(5)]
    observedGeneration: Annotated[Int64, Proto(6)]


class CustomResourceDefinitionStatus(TypedDict, total=False):
    """TODO CustomResourceDefinitionStatus"""

    conditions: Annotated[list[CustomResourceDefinitionCondition], Proto(1), ListMap("type")]
    acceptedNames: Annotated[CustomResourceDefinitionNames, Proto(2)]
    storedVersions: Annotated[list[str], Proto(3), ATOMIC]
    observedGeneration: Annotated[Int64, Proto(4)]


class CustomResourceDefinition(TypedDict, total=False):
    """TODO CustomResourceDefinition"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Required[Annotated[CustomResourceDefinitionSpec, Proto(2)]]
    status: Annotated[CustomResourceDefinitionStatus, Proto(3)]


class CustomResourceDefinitionStrategy(SpecStatusStrategy):
    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        kind = names.get("kind", "")
        if kind:
            names.setdefault("singular", kind.lower())
            names.setdefault("listKind", f"{kind}List")
        conversion = spec.setdefault("conversion", {})
        conversion.setdefault("strategy", "None")
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)

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
        from api.apiextensions.v1.definition import unevaluated_rules

        return unevaluated_rules(obj)


CUSTOMRESOURCEDEFINITION = builtin(
    CRDS,
    CustomResourceDefinition,
    strategy=CustomResourceDefinitionStrategy(),
    columns=(NAME, CREATED_AT),
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=(status_of("CustomResourceDefinition"),),
)
