"""Answers without what differs from run to run, keeping all that relates them.

uid               <uid 1>, <uid 2> ... in order of appearance: equal stays equal
resourceVersion   <rv 1> < <rv 2> ...: the order of a scenario's object versions. What belongs to no object (lists, bookmarks)
                  is <rv after N>: any revision that shows the Nth and not the next is right
times             <time>; ages in tables <age>
continue          <continue>
generated names   their prefix and <generated>
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# The headers that are compared; all others are left out.
HEADERS = {
    *("content-type", "content-encoding", "cache-control", "vary", "x-content-type-options"),
    *("warning", "retry-after", "allow", "location", "www-authenticate"),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_AGE = re.compile(r"(\d+[smhd])+|<unknown>|<invalid>")
_REVISION_IN_TEXT = re.compile(r"((?:[Rr]esource ?[Vv]ersions?|current|requested)[^\s\"]*:? )\d+( \(\d+\))?")
_PRECONDITION = re.compile(r"(ResourceVersion in object meta: )\d+")
_REVISION_IN_JSON = re.compile(r'(\\?"resourceVersion\\?":\\?")\d+')
_REVISION_IN_RECORD = re.compile(r"(does not match the ResourceVersion in record \()\d+")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEPT = 58  # characters of a prefix that a generated name keeps

Said = dict[str, Any]


def normal(said: list[Said]) -> list[Said]:
    """A scenario's answers; revisions and uids are related across all of them."""
    known = _Known(said)
    return [known.replaced(each) for each in said]


class _Known:
    def __init__(self, said: list[Said]) -> None:
        self._uids: dict[str, str] = {}
        self._prefixes = {each.pop("prefix")[:_KEPT] for each in said if "prefix" in each}
        revisions = set()
        for meta in _metadata(said):
            if "uid" in meta and str(meta.get("resourceVersion", "")).isdigit():
                revisions.add(int(meta["resourceVersion"]))
        self._revisions = sorted(revisions)

    def _revision(self, text: str, of_an_object: bool) -> str:
        if not text.isdigit() or text == "0":
            return text
        rank = sum(each <= int(text) for each in self._revisions)
        return f"<rv {rank}>" if of_an_object else f"<rv after {rank}>"

    def _uid(self, found: re.Match[str]) -> str:
        return self._uids.setdefault(found[0], f"<uid {len(self._uids) + 1}>")

    def _text(self, text: str) -> str:
        text = _TIME.sub("<time>", _UID.sub(self._uid, text))
        text = _REVISION_IN_TEXT.sub(lambda found: found[1] + "<rv>" + (" (<rv>)" if found[2] else ""), text)
        text = _PRECONDITION.sub(r"\1<rv>", _REVISION_IN_JSON.sub(r"\1<rv>", text))
        text = _REVISION_IN_RECORD.sub(r"\1<rv>", text)
        for prefix in self._prefixes:
            text = re.sub(
                rf"({re.escape(prefix)})[bcdfghjklmnpqrstvwxz2456789]{{5}}\b", r"\1<generated>", text
            )
        return text

    def replaced(self, value: Any, key: str = "", inside: Any = None) -> Any:
        if isinstance(value, dict):
            value = _sorted_causes(value)
            return {name: self.replaced(each, name, value) for name, each in value.items()}
        if isinstance(value, list):
            if key == "cells":
                value = [
                    "<age>" if isinstance(each, str) and _AGE.fullmatch(each) else each for each in value
                ]
            if all(isinstance(each, dict) and "fieldsType" in each for each in value):
                value = sorted(value, key=_entry)  # managedFields: their order is that of whole seconds
            return [self.replaced(each) for each in value]
        if not isinstance(value, str):
            return value
        if key == "resourceVersion":
            return self._revision(value, isinstance(inside, dict) and "uid" in inside)
        if key == "continue" and value:
            return "<continue>"
        return self._text(value)


def _entry(told: Any) -> list[str]:
    words = ("operation", "manager", "apiVersion", "subresource")
    return [str(told.get(word, "")) if isinstance(told, dict) else "" for word in words]


def _metadata(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("metadata"), dict):
            yield value["metadata"]
        for each in value.values():
            yield from _metadata(each)
    elif isinstance(value, list):
        for each in value:
            yield from _metadata(each)


def _sorted_causes(value: Said) -> Said:
    match value:
        case {"message": str(message), "details": {"causes": [_, _, *_] as causes}}:
            told = ", ".join(f"{each.get('field', '')}: {each['message']}" for each in causes)
            ordered = sorted(causes, key=lambda each: (each.get("field", ""), each["message"]))
            return {
                **value,
                "message": message.replace(f"[{told}]", "[<causes>]"),
                "details": {**value["details"], "causes": ordered},
            }
    return value
