"""managedFields: who owns which field of an object, kept on every write, and server-side apply on top of it.

The merge itself is `machinery.patch.apply`; this file says for whom and with which schema it runs, and converts objects
where fields are owned in other versions of the kind. Fields are tracked as the request leaves them, before admission and
the server itself add theirs: nobody owns those.
Source: Kubernetes, "Server-Side Apply".
"""

from __future__ import annotations

from collections.abc import Callable

from api.resource import Obj, Resource
from apiserver.engine.engine import Call, Engine
from machinery.objects import deep_copy
from machinery.patch import apply as structured
from machinery.patch.apply import managed, versioned
from machinery.patch.apply.versioned import Foreign, Form, Translate


def track_create(resource: Resource, obj: Obj, manager: str, subresource: str, now: float) -> None:
    """`obj` is complete and about to be stored; managedFields it came with are where tracking starts.

    What a kind puts into the status of a new object is nobody's: the status is written through its subresource.
    """
    structured.update_managed_fields(
        None,
        {
            key: value
            for key, value in obj.items()
            if key != "status" or "status" not in resource.subresources
        },
        manager=manager,
        api_version=resource.gvr.api_version,
        now=now,
        schema=resource.schema(),
        subresource=subresource,
    )


def is_foreign(resource: Resource, old: Obj) -> bool:
    """Whether fields of the object are owned in other versions of its kind: then what changes must be converted."""
    return versioned.needs_translation(managed.entries_of(old), resource.gvr.api_version)


async def foreign_changes(engine: Engine, resource: Resource, obj: Obj, old: Obj) -> Foreign:
    """How the object changes in the other versions in which fields of it are owned."""
    return await versioned.foreign_comparisons(
        old, obj, managed.entries_of(old), resource.gvr.api_version, _translate(engine, resource)
    )


def track_update(
    resource: Resource,
    obj: Obj,
    old: Obj,
    manager: str,
    operation: str,
    subresource: str,
    now: float,
    foreign: Foreign = managed.NO_FOREIGN,
) -> None:
    """What of `obj` differs from `old` is the manager's from now on. `foreign` as `foreign_changes` gives it."""
    structured.update_managed_fields(
        old,
        obj,
        manager=manager,
        api_version=resource.gvr.api_version,
        now=now,
        schema=resource.schema(),
        operation=operation,
        subresource=subresource,
        foreign=foreign,
    )


async def apply(engine: Engine, call: Call, live: Obj | None, applied: Obj) -> Obj:
    """The object after a server-side apply, managedFields included. It shares nothing with `applied`, which the next
    attempt needs whole. Raises Conflict, PatchError."""
    resource, now = call.served.resource, engine.clock.now()
    manager, api_version, schema = call.options.manager, resource.gvr.api_version, resource.schema()
    force, subresource = call.options.force, call.subresource
    if live is not None and is_foreign(resource, live):
        made = await versioned.apply(
            live,
            applied,
            manager=manager,
            api_version=api_version,
            now=now,
            schema=schema,
            translate=_translate(engine, resource),
            force=force,
            subresource=subresource,
        )
    else:
        made = await engine.do(
            call.body_bytes,
            lambda: structured.apply(
                live,
                applied,
                manager=manager,
                api_version=api_version,
                now=now,
                schema=schema,
                force=force,
                subresource=subresource,
            ),
        )
    made = deep_copy(made)
    resource.codec().forget(made)  # what is owned was said; what is kept is what the kind's type holds
    return made


def _translate(engine: Engine, resource: Resource) -> Translate:
    find = _versions_of(engine, resource)

    async def translate(obj: Obj, api_version: str, wanted: str) -> Form | None:
        source, target = find(api_version), find(wanted)
        if source is None or target is None:
            return None
        if api_version == wanted:
            return Form(obj, target.schema())
        (made,) = await engine.conversions.convert([deep_copy(obj)], source, target)
        return Form(made, target.schema())

    return translate


def _versions_of(engine: Engine, resource: Resource) -> Callable[[str], Resource | None]:
    def find(api_version: str) -> Resource | None:
        if api_version == resource.gvr.api_version:
            return resource
        group, _, version = api_version.rpartition("/")
        served = engine.catalog.get(group, version, resource.gvr.resource)
        if served is not None:
            return served.resource
        own = engine.catalog.get(resource.gvr.group, resource.gvr.version, resource.gvr.resource)
        return own.unserved.get(api_version) if own is not None else None

    return find
