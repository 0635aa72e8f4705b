"""`kctl set image`: gives containers of a workload another image."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.patching import STRATEGIC, send_patch
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, SELECTOR_FLAGS, Found, report, select
from kctl.session import Session

USAGE = "set image (-f FILE | TYPE NAME) CONTAINER=IMAGE... [flags]"
EXAMPLES = (
    ("One container", "kctl set image deployment/web web=web:2"),
    ("All containers", "kctl set image deployment/web '*=web:2'"),
)
FLAGS = (
    Flag("field-manager", default="kubectl-set", help="name that owns the change"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    DRY_RUN,
    OUTPUT,
)


def run(options: Options, session: Session) -> int:
    images = dict(word.partition("=")[::2] for word in options.args if "=" in word)
    names = [word for word in options.args if "=" not in word]
    if not images:
        raise Failure("at least one CONTAINER=IMAGE is required")
    for found in select(options, session, read=True, args=names):
        patch = _plan(found, images)
        assert found.obj is not None
        if patch is None:
            continue
        answer = send_patch(options, session, found, patch, STRATEGIC, manager=options.field_manager)
        report(options, session, found, "image updated", answer)
    return 0


def pod_spec_path(obj: dict[str, Any]) -> list[str]:
    """Where a workload keeps its pod spec."""
    return {
        "Pod": ["spec"],
        "CronJob": ["spec", "jobTemplate", "spec", "template", "spec"],
    }.get(obj["kind"], ["spec", "template", "spec"])


def _plan(found: Found, images: dict[str, str]) -> dict[str, Any] | None:
    """The patch, None where every image is as asked. Raises Failure for a container that is not there."""
    assert found.obj is not None
    spec: Any = found.obj
    path = pod_spec_path(found.obj)
    for field in path:
        spec = spec.get(field) if isinstance(spec, dict) else None
        if spec is None:
            raise Failure(f"{found} has no pod template")
    changes: dict[str, list[dict[str, str]]] = {}
    known = set()
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            known.add(container["name"])
            image = images.get(container["name"]) or images.get("*")
            if image and image != container.get("image"):
                changes.setdefault(field, []).append({"name": container["name"], "image": image})
    missing = sorted(name for name in images if name != "*" and name not in known)
    if missing:
        raise Failure(
            f'unable to find container named "{missing[0]}"; {found} has {", ".join(sorted(known))}'
        )
    patch: dict[str, Any] = dict(changes)
    for field in reversed(path):
        patch = {field: patch}
    return patch if changes else None
