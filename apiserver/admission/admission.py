"""The admission seam: what may change or refuse a write after it is authorized and decoded.

A plugin declares which requests it `handles`, by operation, resource and subresource alone: the engine asks once for
each of these and remembers who runs. It calls every mutating plugin in the order of the explicit list, puts back what the
endpoint may not change, lets the server's own plugins record what only they know, validates the object, then calls
every validating plugin. Plugins run for dry runs too and so must not have effects of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from api.resource import Obj, Resource
from apiserver.auth.user import User

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class AdmissionRequest:
    """`obj` is None for DELETE, `old` None for CREATE. Mutating plugins change `obj` in place.

    A mutating plugin that changed the object in a way that others should see sets `reinvoke`: all mutating plugins
    are then called once more, with `again` set. `annotations` are for the audit log; `memory` is the plugins' own.
    """

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
    annotations: dict[str, str] = field(default_factory=dict)
    reinvoke: bool = False
    again: bool = False
    memory: dict[str, Any] = field(default_factory=dict)


class AdmissionPlugin(Protocol):
    name: str

    def handles(self, request: AdmissionRequest) -> bool:
        """Looks at nothing but the operation, the resource and the subresource."""
        ...

    async def admit(self, request: AdmissionRequest) -> bool | None:
        """Mutates. Raises an ApiError (usually Forbidden) to refuse.

        False: nothing was changed, or nothing that the kind's defaults could add to; else these are set once more."""
        ...

    async def record(self, request: AdmissionRequest) -> None:
        """Writes into the object what only the server knows, over whatever was sent or mutated."""
        ...

    async def validate(self, request: AdmissionRequest) -> None:
        """Judges and changes nothing."""
        ...


class Plugin:
    """Shared by the plugins: each leaves alone what it has no part in."""

    name = ""

    async def admit(self, request: AdmissionRequest) -> bool | None:
        return False

    async def record(self, request: AdmissionRequest) -> None:
        return None

    async def validate(self, request: AdmissionRequest) -> None:
        return None


def mutates(plugin: AdmissionPlugin) -> bool:
    admit: object = type(plugin).admit
    return admit is not Plugin.admit


def records(plugin: AdmissionPlugin) -> bool:
    record: object = type(plugin).record
    return record is not Plugin.record


def judges(plugin: AdmissionPlugin) -> bool:
    validate: object = type(plugin).validate
    return validate is not Plugin.validate


@runtime_checkable
class Closable(Protocol):
    """A plugin that holds something open, such as connections."""

    async def close(self) -> None: ...


AdmissionChain = Sequence[AdmissionPlugin]
