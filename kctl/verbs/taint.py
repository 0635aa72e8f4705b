"""`kctl taint`: sets (`KEY=VALUE:EFFECT`) and removes (`KEY:EFFECT-`, `KEY-`) taints of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.patching import MERGE, send_patch
from kctl.selection import DRY_RUN, OUTPUT, Found, report, select
from kctl.session import Session
from machinery.errors import Conflict

USAGE = "taint (NODE... | -l SELECTOR | --all) KEY[=VALUE]:EFFECT... KEY[:EFFECT]-... [flags]"
EXAMPLES = (
    ("Keep pods off that do not tolerate it", "kctl taint nodes node-1 dedicated=db:NoSchedule"),
    ("Remove it", "kctl taint nodes node-1 dedicated:NoSchedule-"),
)
FLAGS = (
    Flag("overwrite", type="bool", default=False, help="change taints that are there already"),
    Flag("selector", "l", default="", help="label selector of nodes"),
    Flag("all", type="bool", default=False, help="all nodes"),
    Flag("field-manager", default="kubectl-taint", help="name that owns the change"),
    Flag("validate", bare="strict", default="strict", hidden=True),
    DRY_RUN,
    OUTPUT,
)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
Taint = dict[str, Any]


class Changes(NamedTuple):
    add: list[Taint]
    remove: list[Taint]  # without an effect: every taint of the key


def run(options: Options, session: Session) -> int:
    names, words = _split(options.args)
    changes = parse_changes(words)
    if not names or session.mapper.find(names[0].partition("/")[0]).gvr.resource != "nodes":
        raise Failure("taint works on nodes: kctl taint nodes NAME KEY=VALUE:EFFECT")
    for found in select(options, session, read=True, args=names):
        word, answer = _change(options, session, found, changes)
        report(options, session, found, word, answer)
    return 0


def _change(options: Options, session: Session, found: Found, changes: Changes) -> tuple[str, dict[str, Any]]:
    """(what was done, the node afterwards); again from the start where the node has changed meanwhile."""
    for last in (False, False, False, False, True):
        assert found.obj is not None
        present = found.obj["spec"].get("taints") or []
        word, taints = plan(found.name, present, changes, overwrite=options.overwrite)
        # The whole list is put in the place of the old one: entries of one key may differ in effect only.
        patch = {"spec": {"taints": taints or None}, "metadata": {"resourceVersion": _version(found.obj)}}
        try:
            return word, send_patch(options, session, found, patch, MERGE, manager=options.field_manager)
        except Conflict:
            if last:
                raise
            found = found._replace(obj=session.rest.get(found.path))
    raise AssertionError("unreachable")


def _version(node: dict[str, Any]) -> str:
    return str(node["metadata"]["resourceVersion"])


def _split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """(words that name nodes, words that are taints)."""
    first = next(
        (i for i, word in enumerate(args) if i and ("=" in word or ":" in word or word.endswith("-"))),
        len(args),
    )
    return list(args[:first]), list(args[first:])


def parse_changes(words: Sequence[str]) -> Changes:
    """Raises Failure."""
    if not words:
        raise Failure("at least one taint update is required")
    changes = Changes([], [])
    for word in words:
        text = word.removesuffix("-")
        left, colon, effect = text.partition(":")
        key, equals, value = left.partition("=")
        if not key or (colon and effect not in _EFFECTS):
            raise Failure(f"invalid taint effect: {effect}, unsupported taint effect" if key else f"invalid taint spec: {word}")  # fmt: skip
        if word.endswith("-"):
            changes.remove.append({"key": key, **({"effect": effect} if colon else {})})
            continue
        if not colon:
            raise Failure(f"invalid taint spec: {word}: an effect is missing, such as {word}:NoSchedule")
        taint: Taint = {"key": key, "effect": effect, **({"value": value} if equals and value else {})}
        if any(_same(taint, other) for other in changes.add):
            raise Failure(f"duplicated taints with the same key and effect: {word}")
        changes.add.append(taint)
    both = [taint for taint in changes.add if any(_matches(taint, gone) for gone in changes.remove)]
    if both:
        raise Failure(
            f"can not both modify and remove the following taint(s) in the same command: {_text(both[0])}"
        )
    return changes


def plan(node: str, present: list[Taint], changes: Changes, *, overwrite: bool) -> tuple[str, list[Taint]]:
    """(what to say was done, the taints afterwards). Raises Failure."""
    clash = [taint for taint in present if any(_same(taint, new) for new in changes.add)]
    if clash and not overwrite:
        keys = ", ".join(taint["key"] for taint in clash)
        raise Failure(f"node {node} already has {keys} taint(s) with same effect(s) and --overwrite is false")
    taints = changes.add + [taint for taint in present if taint not in clash]
    added = len(taints) != len(present)
    removed = False
    for gone in changes.remove:
        kept = [taint for taint in taints if not _matches(taint, gone)]
        if len(kept) == len(taints):
            raise Failure(f'taint "{_text(gone)}" not found')
        taints, removed = kept, True
    if overwrite or (added and removed):
        return "modified", taints
    return "tainted" if added else "untainted", taints


def _same(one: Taint, other: Taint) -> bool:
    return bool(one["key"] == other["key"] and one["effect"] == other["effect"])


def _matches(taint: Taint, gone: Taint) -> bool:
    return bool(taint["key"] == gone["key"] and gone.get("effect", taint["effect"]) == taint["effect"])


def _text(taint: Taint) -> str:
    return f"{taint['key']}:{taint['effect']}" if taint.get("effect") else str(taint["key"])
