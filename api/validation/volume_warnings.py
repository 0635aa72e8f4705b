"""Files of one volume that would lie upon each other: one of them hides the other, or the volume cannot be made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Obj = dict[str, Any]


def overlap_warnings(volumes: Iterable[Obj]) -> Iterator[str]:
    for volume in volumes:
        name = volume.get("name", "")
        for kind, field in (("configMap", "name"), ("secret", "secretName")):
            source = volume.get(kind)
            if source is not None:
                noun = "ConfigMap" if kind == "configMap" else "Secret"
                where = f'volume "{name}" ({noun} "{source.get(field, "")}"): overlapping paths'
                yield from _overlaps(_paths(source), where)
        if volume.get("downwardAPI") is not None:
            where = f'volume "{name}" (DownwardAPI): overlapping paths'
            yield from _overlaps(_paths(volume["downwardAPI"]), where)
        if volume.get("projected") is not None:
            yield from _projected(name, volume["projected"].get("sources") or ())


def _paths(source: Obj) -> list[str]:
    return [item.get("path", "") for item in source.get("items") or ()]


def _projected(volume: str, sources: Iterable[Obj]) -> Iterator[str]:
    """Each source's files among themselves, and then beside those of the sources before it."""
    seen: set[str] = set()
    for source in sources:
        if not source:
            yield f'volume "{volume}" (Projected) has no sources provided'
            continue
        if items := (source.get("configMap") or {}).get("items"):
            noun, paths = f'ConfigMap "{source["configMap"].get("name", "")}"', _paths({"items": items})
        elif items := (source.get("secret") or {}).get("items"):
            noun, paths = f'Secret "{source["secret"].get("name", "")}"', _paths({"items": items})
        elif items := (source.get("downwardAPI") or {}).get("items"):
            noun, paths = "DownwardAPI", _paths({"items": items})
        elif source.get("serviceAccountToken") is not None:
            noun, paths = "ServiceAccountToken", [source["serviceAccountToken"].get("path", "")]
        else:
            continue
        where = f'volume "{volume}" (Projected {noun}): overlapping paths'
        yield from _overlaps(paths, where)
        yield from _overlaps(sorted([*set(paths), *seen]), where)
        seen |= set(paths)


def _overlaps(paths: Iterable[str], where: str) -> Iterator[str]:
    seen: list[str] = []
    for path in paths:
        bare = path.rstrip("/")
        other = next((each for each in seen if bare and each and _is_over(each, bare)), None)
        if other is not None:
            yield f'{where}: "{bare}" with "{other}"'
        if bare not in seen:
            seen.append(bare)


def _is_over(one: str, other: str) -> bool:
    return f"{one}/".startswith(other) or f"{other}/".startswith(one)
