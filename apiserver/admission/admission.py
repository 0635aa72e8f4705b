"""The admission seam: what may change or refuse a write after it is authorized and decoded.

A plugin declares which operations it `handles`; the engine calls every mutating plugin in the order
of the explicit list, validates the object, then calls every validating plugin. Plugins run for dry
runs too and so must not have effects of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from api.resource import Obj, Resource
from apiserver.auth.user import User

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class AdmissionRequest:
    """`obj` is None for DELETE, `old` None for CREATE. Mutating plugins change `obj` in place."""

    operation: Operation
    resource: Resource
    subresource: str
    namespace: str
    name: str
    obj: Obj | None
    old: Obj | None
    user: User
    dry_run: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class AdmissionPlugin(Protocol):
    name: str

    def handles(self, request: AdmissionRequest) -> bool: ...

    async def admit(self, request: AdmissionRequest) -> None:
        """Mutates. Raises an ApiError (usually Forbidden) to refuse."""
        ...

    async def validate(self, request: AdmissionRequest) -> None:
        """Judges and changes nothing."""
        ...


AdmissionChain = Sequence[AdmissionPlugin]
