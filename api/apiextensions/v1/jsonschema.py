"""JSON schemas as a CustomResourceDefinition writes them."""

from typing import Annotated, Any, Required, TypedDict, Union

from api.annotations import ATOMIC, Double, Format, Int64, ListMap, Patch, Proto

_PACKAGE = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"

JSON = Annotated[Any, Format("json", f"{_PACKAGE}.JSON")]
JSONSchemaPropsOrBool = Annotated[
    Union["JSONSchemaProps", bool], Format("schema-or-bool", f"{_PACKAGE}.JSONSchemaPropsOrBool")
]
JSONSchemaPropsOrArray = Annotated[
    Union["JSONSchemaProps", list["JSONSchemaProps"]],
    Format("schema-or-array", f"{_PACKAGE}.JSONSchemaPropsOrArray"),
]
JSONSchemaPropsOrStringArray = Annotated[
    Union["JSONSchemaProps", list[str]],
    Format("schema-or-strings", f"{_PACKAGE}.JSONSchemaPropsOrStringArray"),
]


class ExternalDocumentation(TypedDict, total=False):
    """Where more is written."""

    description: Annotated[str, Proto(1)]
    url: Annotated[str, Proto(2)]


class ValidationRule(TypedDict, total=False):
    """A CEL expression that must be true of a value."""

    rule: Required[Annotated[str, Proto(1), "The expression; `self` is the value."]]
    message: Annotated[str, Proto(2), "Why, in words for people."]
    messageExpression: Annotated[str, Proto(3)]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    fieldPath: Annotated[str, Proto(5)]
    optionalOldSelf: Annotated[bool, Proto(6)]


JSONSchemaProps = TypedDict(
    "JSONSchemaProps",
    {
        "id": Annotated[str, Proto(1)],
        "$schema": Annotated[str, Proto(2)],
        "$ref": Annotated[str, Proto(3)],
        "description": Annotated[str, Proto(4)],
        "type": Annotated[str, Proto(5), "object, array, string, integer, number or boolean."],
        "format": Annotated[str, Proto(6)],
        "title": Annotated[str, Proto(7)],
        "default": Annotated[JSON, Proto(8), "What stands where nothing was said."],
        "maximum": Annotated[Double, Proto(9)],
        "exclusiveMaximum": Annotated[bool, Proto(10)],
        "minimum": Annotated[Double, Proto(11)],
        "exclusiveMinimum": Annotated[bool, Proto(12)],
        "maxLength": Annotated[Int64, Proto(13)],
        "minLength": Annotated[Int64, Proto(14)],
        "pattern": Annotated[str, Proto(15)],
        "maxItems": Annotated[Int64, Proto(16)],
        "minItems": Annotated[Int64, Proto(17)],
        "uniqueItems": Annotated[bool, Proto(18)],
        "multipleOf": Annotated[Double, Proto(19)],
        "enum": Annotated[list[JSON], Proto(20), ATOMIC],
        "maxProperties": Annotated[Int64, Proto(21)],
        "minProperties": Annotated[Int64, Proto(22)],
        "required": Annotated[list[str], Proto(23), ATOMIC, "Fields that must be there."],
        "items": Annotated[JSONSchemaPropsOrArray, Proto(24), "The schema of a list's items."],
        "allOf": Annotated[list["JSONSchemaProps"], Proto(25), ATOMIC],
        "oneOf": Annotated[list["JSONSchemaProps"], Proto(26), ATOMIC],
        "anyOf": Annotated[list["JSONSchemaProps"], Proto(27), ATOMIC],
        "not": Annotated["JSONSchemaProps", Proto(28)],
        "properties": Annotated[dict[str, "JSONSchemaProps"], Proto(29), "Fields of an object."],
        "additionalProperties": Annotated[JSONSchemaPropsOrBool, Proto(30)],
        "patternProperties": Annotated[dict[str, "JSONSchemaProps"], Proto(31)],
        "dependencies": Annotated[dict[str, JSONSchemaPropsOrStringArray], Proto(32)],
        "additionalItems": Annotated[JSONSchemaPropsOrBool, Proto(33)],
        "definitions": Annotated[dict[str, "JSONSchemaProps"], Proto(34)],
        "externalDocs": Annotated[ExternalDocumentation, Proto(35)],
        "example": Annotated[JSON, Proto(36)],
        "nullable": Annotated[bool, Proto(37), "Whether null is a value."],
        "x-kubernetes-preserve-unknown-fields": Annotated[
            bool, Proto(38), "Keep fields that the schema does not know."
        ],
        "x-kubernetes-embedded-resource": Annotated[
            bool, Proto(39), "The value is an object with apiVersion, kind and metadata."
        ],
        "x-kubernetes-int-or-string": Annotated[bool, Proto(40), "The value is a number or a string."],
        "x-kubernetes-list-map-keys": Annotated[
            list[str], Proto(41), ATOMIC, "Which fields tell a map list's items apart."
        ],
        "x-kubernetes-list-type": Annotated[str, Proto(42), "How lists are merged: atomic, set or map."],
        "x-kubernetes-map-type": Annotated[str, Proto(43), "How maps are merged: granular or atomic."],
        "x-kubernetes-validations": Annotated[
            list[ValidationRule],
            Proto(44),
            ListMap("rule"),
            Patch("merge", "rule"),
            "CEL rules that the value must keep.",
        ],
    },
    total=False,
)
JSONSchemaProps.__doc__ = "A JSON schema, with Kubernetes' extensions."
