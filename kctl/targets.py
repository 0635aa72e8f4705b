"""What a verb works on: `TYPE`, `TYPE NAME...`, `TYPE/NAME...`, `TYPE1,TYPE2`.

Files are another source of targets: see `manifest_files.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kctl.failure import Failure
from kctl.mapper import Mapper, ResourceInfo


class Target(NamedTuple):
    """A resource, and the names meant; no names: all of them."""

    resource: ResourceInfo
    names: tuple[str, ...] = ()


def parse_targets(mapper: Mapper, args: Sequence[str]) -> list[Target]:
    """Raises Failure for words that mix the two forms or name nothing the server has."""
    if not args:
        raise Failure(
            "you must specify the type of resource, such as `pods`, or `pod/NAME`. "
            "`kctl api-resources` lists the types"
        )
    if any("/" in word for word in args):
        return _slashed(mapper, args)
    types = [word for word in args[0].split(",") if word]
    resources = [info for word in types for info in mapper.expand(word)]
    names = tuple(args[1:])
    if names and len(resources) > 1:
        raise Failure("names can follow one resource type only; write TYPE/NAME for several")
    return [Target(info, names) for info in resources]


def _slashed(mapper: Mapper, args: Sequence[str]) -> list[Target]:
    targets: list[Target] = []
    for word in args:
        kind, slash, name = word.partition("/")
        if not slash or not kind or not name or "/" in name:
            raise Failure(
                f"there is no need to specify a resource type as a separate argument when passing TYPE/NAME; {word!r} is not of that form"
            )
        info = mapper.find(kind)
        if targets and targets[-1].resource == info:
            targets[-1] = Target(info, (*targets[-1].names, name))
        else:
            targets.append(Target(info, (name,)))
    return targets


def one_target(mapper: Mapper, args: Sequence[str], default: str = "") -> tuple[ResourceInfo, str]:
    """Exactly one object; a lone NAME means one of `default` (`logs web-0`)."""
    words = list(args)
    if len(words) == 1 and "/" not in words[0] and default:
        return mapper.find(default), words[0]
    targets = parse_targets(mapper, words)
    if len(targets) != 1 or len(targets[0].names) != 1:
        raise Failure("exactly one object must be named: TYPE NAME or TYPE/NAME")
    return targets[0].resource, targets[0].names[0]
