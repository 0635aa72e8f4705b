"""The parts every verb works with, and what one call carries through them.

The engine moves dicts and bytes; it knows no kinds. What differs between kinds is asked of the
`Resource`; what only this server can do when a kind is written (give a Service its address, serve a
CustomResourceDefinition) is a `WriteHook`, listed by resource in `apiserver/server.py`.

Verbs are functions, one file each: `await create(engine, call, body)`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionPlugin, AdmissionRequest, judges, mutates, records
from apiserver.apart import LARGE_BYTES, Apart
from apiserver.auth.user import User
from apiserver.engine.catalog import Catalog, Served
from apiserver.engine.conversion import Conversions
from apiserver.webhook_client import WebhookClient
from machinery import names
from machinery.clock import Clock
from machinery.value import value

T = TypeVar("T")
FieldValidation = Literal["Ignore", "Warn", "Strict"]


@value
class WriteOptions:
    dry_run: bool = False
    field_manager: str = ""
    field_validation: FieldValidation = "Warn"
    force: bool = False
    user_agent: str = ""

    @property
    def manager(self) -> str:
        """Who a write's fields belong to: the manager named, else the client's program name."""
        if self.field_manager:
            return self.field_manager
        program = self.user_agent.partition("/")[0][:128]
        return program.encode()[:128].decode("utf-8", "ignore") or "unknown"


@dataclass(slots=True)
class Call:
    """One request as the engine sees it. Verbs append to `warnings` and `annotations`; nothing else here changes."""

    served: Served
    user: User
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    options: WriteOptions = field(default_factory=WriteOptions)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # admission's notes for the audit log
    body_bytes: int = 0  # how large the request's body was

    @property
    def plural(self) -> str:
        return self.served.resource.gvr.resource

    @property
    def group(self) -> str:
        return self.served.resource.gvr.group


class Written(NamedTuple):
    """What a write answers: HTTP status, the object's JSON in the asked version, and the object itself."""

    status: int
    data: bytes
    obj: Obj


Undo = Callable[[], Awaitable[None]]


class WriteHook:
    """What this server does around the writes of one resource. The base class does nothing.

    `before_*` may change the object, reserve something, and returns what gives the reservation back:
    called when the write does not happen (dry run, lost race, refused), in which case the hook runs again
    on the next attempt. `after_*` runs once the write is durable, before it is answered, and must not fail.
    """

    async def before_create(self, call: Call, obj: Obj) -> Undo | None:
        return None

    async def before_update(self, call: Call, obj: Obj, old: Obj) -> Undo | None:
        return None

    async def after_write(self, call: Call, obj: Obj, old: Obj | None) -> None:
        """`old` is None after a create."""

    async def after_delete(self, call: Call, obj: Obj) -> None:
        """The object is gone from the store."""


_NO_HOOK = WriteHook()
_MOST_PHASES = 2048  # custom resources come and go


class Plugins(NamedTuple):
    """Who runs for a kind of request: those that mutate what it is about, that write what the server knows, that judge."""

    mutating: Sequence[AdmissionPlugin]
    recording: Sequence[AdmissionPlugin]
    judging: Sequence[AdmissionPlugin]


class Phases:
    """The plugins by phase: one that only judges is not asked to mutate, and none what it has answered before."""

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self.plugins = plugins
        self._phases = [tuple(filter(runs, plugins)) for runs in (mutates, records, judges)]
        # The resource itself is kept, so that its identity stays its own.
        self._known: dict[tuple[int, str, str], tuple[Resource, Plugins]] = {}

    def of(self, request: AdmissionRequest) -> Plugins:
        key = (id(request.resource), request.operation, request.subresource)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_PHASES:
                self._known.clear()
            running = (tuple(each for each in phase if each.handles(request)) for phase in self._phases)
            known = self._known[key] = (request.resource, Plugins(*running))
        return known[1]


@dataclass(slots=True)
class Engine:
    catalog: Catalog
    clock: Clock
    rng: random.Random
    admission: Sequence[AdmissionPlugin] = ()
    hooks: Mapping[tuple[str, str], WriteHook] = field(default_factory=dict)
    conversions: Conversions = field(default_factory=Conversions)
    webhooks: WebhookClient | None = None  # the one client of all webhooks that objects name
    apart: Apart | None = None  # where large objects are worked on; None: here, like all others
    # Who runs for what kind of request; forgotten when `admission` is replaced.
    _phases: Phases = field(default_factory=lambda: Phases(()), init=False, repr=False)
    # how often an unconditional write is retried when others write the same object
    retries: int = 64

    def plugins(self, request: AdmissionRequest) -> Plugins:
        if self._phases.plugins is not self.admission:
            self._phases = Phases(self.admission)
        return self._phases.of(request)

    def hook(self, call: Call) -> WriteHook:
        gvr = call.served.resource.gvr
        return self.hooks.get((gvr.group, gvr.resource), _NO_HOOK)

    async def do(self, size_bytes: int, work: Callable[[], T]) -> T:
        """What `work` gives; it touches nothing but objects of its own request, which are about `size_bytes` large."""
        if size_bytes <= LARGE_BYTES or self.apart is None:
            return work()
        return await self.apart(work)

    def new_uid(self) -> str:
        return names.uid(self.rng)
