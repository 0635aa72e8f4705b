"""The published description of what is served, made from Resources alone: built-in and custom kinds alike.

document_v3(resources)   one group-version as OpenAPI 3.0        (kubectl explain, apply, validation)
document_v2(resources)   everything as OpenAPI 2.0 (swagger)
gnostic.encode(document) the latter in the protobuf form that kubectl asks for
"""

from api.openapi.v2 import document_v2
from api.openapi.v3 import document_v3

__all__ = ["document_v2", "document_v3"]
