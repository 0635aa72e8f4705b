"""Keeps the stored flow schemas and priority levels as they should be, and flow control as they say.

    stored objects ─ Follower ─► FlowControl.configure           what is in force
                             └─► plan_upkeep ─► create, update   what must exist; every minute and after a change
                             └─► plan_dangling ─► status          whether a schema's level exists

An object annotated autoupdate-spec "true" follows the built-in one, "false" is the administrator's. Without a
word it is ours as long as nobody changed it (generation 1). Mandatory ones are always ours, but for the shares of
the exempt level.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from api.resource import Obj
from apiserver.engine.bootstrap import SELF
from apiserver.engine.create import create
from apiserver.engine.engine import Call, Engine, WriteOptions
from apiserver.engine.keeping import keep
from apiserver.engine.update import update
from apiserver.engine.write import status_scope
from apiserver.flowcontrol.bootstrap import AUTOUPDATE, EXEMPT, MANDATORY, flow_schemas, priority_levels
from apiserver.flowcontrol.flow import FlowControl
from apiserver.storage.follow import Follower
from machinery.clock import Clock
from machinery.errors import ApiError
from machinery.objects import deep_copy, with_condition

GROUP, VERSION = "flowcontrol.apiserver.k8s.io", "v1"
LEVELS, SCHEMAS = "prioritylevelconfigurations", "flowschemas"
_PERIOD_S = 60.0
_PRODUCER = WriteOptions(field_manager="api-priority-and-fairness-config-producer-v1")
_CONSUMER = WriteOptions(field_manager="api-priority-and-fairness-config-consumer-v1")


def plan_upkeep(there: Mapping[str, Obj], wanted: Iterable[Obj]) -> tuple[list[Obj], list[Obj]]:
    """(to create, to update); the latter whole, with the resourceVersion they were seen at."""
    missing, changed = [], []
    for obj in wanted:
        name = obj["metadata"]["name"]
        standing = there.get(name)
        if standing is None:
            missing.append(deep_copy(obj))
            continue
        ours = name in MANDATORY or _is_ours(standing)
        spec = deep_copy(obj["spec"]) if ours else standing["spec"]
        said = (standing["metadata"].get("annotations") or {}).get(AUTOUPDATE)
        if name == EXEMPT and "exempt" in spec and said == "false":
            spec["exempt"] = standing["spec"].get("exempt", spec["exempt"])
            ours = False
        annotations = {**(standing["metadata"].get("annotations") or {}), AUTOUPDATE: str(ours).lower()}
        metadata = {**standing["metadata"], "annotations": annotations}
        mended = {**standing, "metadata": metadata, "spec": spec}
        if mended != standing:
            changed.append(mended)
    return missing, changed


def _is_ours(standing: Obj) -> bool:
    said = (standing["metadata"].get("annotations") or {}).get(AUTOUPDATE)
    if said == "true" or said == "false":
        return bool(said == "true")
    generation: int = standing["metadata"].get("generation", 1)
    return generation == 1


def plan_dangling(schema: Obj, levels: Iterable[str], now: float) -> Obj | None:
    """The schema with its Dangling condition as it should be; None where it is so."""
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    if level in levels:
        status, reason = "False", "Found"
        message = (
            f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists'
        )
    else:
        status, reason = "True", "NotFound"
        message = (
            f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
            " but there is no such object"
        )
    told = {"type": "Dangling", "status": status, "reason": reason, "message": message}
    return with_condition(schema, told, now)


class Upkeep:
    def __init__(self, engine: Engine, flow: FlowControl, clock: Clock) -> None:
        self._engine = engine
        self._flow = flow
        self._clock = clock
        self._stored: dict[str, dict[str, Obj]] = {LEVELS: {}, SCHEMAS: {}}
        self._news = asyncio.Event()
        self.settled = asyncio.Event()  # everything built in is stored

    async def run(self) -> None:
        """Until cancelled. May be called again when it failed."""
        for stored in self._stored.values():
            stored.clear()
        followers = []
        for plural in (LEVELS, SCHEMAS):
            served = self._engine.catalog.get(GROUP, VERSION, plural)
            if served is None:
                self.settled.set()
                return  # a server of fewer kinds keeps the built-in configuration
            followers.append(Follower(served.store, self._listen(plural)))
        async with asyncio.TaskGroup() as group:
            for follower in followers:
                group.create_task(follower.run(), name="flow control's objects")
            for follower in followers:
                await follower.synced.wait()
            await keep("flow control's configuration", self._round, self._news)

    async def _round(self) -> float:
        await self._sync()
        self.settled.set()
        return _PERIOD_S

    def _listen(self, plural: str) -> Callable[[str, str, Obj | None], None]:
        stored = self._stored[plural]

        def on_change(namespace: str, name: str, obj: Obj | None) -> None:
            if obj is None:
                stored.pop(name, None)
            else:
                stored[name] = obj
            self._news.set()

        return on_change

    async def _sync(self) -> None:
        levels, schemas = self._stored[LEVELS], self._stored[SCHEMAS]
        for plural, wanted in ((LEVELS, priority_levels()), (SCHEMAS, flow_schemas())):
            missing, changed = plan_upkeep(self._stored[plural], wanted)
            await self._apply(plural, missing, changed)
        now = self._clock.now()
        for schema in list(schemas.values()):
            told = plan_dangling(schema, levels, now)
            if told is not None:
                await self._write(SCHEMAS, told, "status")
        if levels and schemas:
            self._flow.configure(list(levels.values()), list(schemas.values()))

    async def _apply(self, plural: str, missing: Sequence[Obj], changed: Sequence[Obj]) -> None:
        served = self._engine.catalog.get(GROUP, VERSION, plural)
        if served is None:
            return
        resource = served.resource
        calls = []
        for obj in missing:
            whole = {"apiVersion": resource.gvr.api_version, "kind": resource.kind, **obj}
            calls.append(create(self._engine, Call(served, SELF, options=_PRODUCER), whole))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            # Another server may have been first.
            if isinstance(answer, BaseException) and not isinstance(answer, ApiError):
                raise answer
        for obj in changed:
            await self._write(plural, obj)

    async def _write(self, plural: str, obj: Obj, subresource: str = "") -> None:
        served = self._engine.catalog.get(GROUP, VERSION, plural)
        if served is None:
            return
        options = _CONSUMER if subresource else _PRODUCER
        call = Call(served, SELF, "", obj["metadata"]["name"], subresource, options=options)
        await update(
            self._engine, call, deep_copy(obj), status_scope(served.resource) if subresource else None
        )
