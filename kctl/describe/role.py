"""What `kctl describe` shows of a Role or ClusterRole: a line for each resource and its verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    page.line(0, f"Name:\t{obj['metadata']['name']}")
    parts.show_labels(page, "Labels", obj["metadata"].get("labels"))
    parts.show_annotations(page, obj["metadata"].get("annotations"))
    page.line(0, "PolicyRule:")
    page.line(1, "Resources\tNon-Resource URLs\tResource Names\tVerbs")
    page.line(1, "---------\t-----------------\t--------------\t-----")
    for resource, urls, names, verbs in rule_lines(obj.get("rules") or []):
        page.line(1, "\t".join((resource, _brackets(urls), _brackets(names), _brackets(verbs))))


Line = tuple[str, tuple[str, ...], tuple[str, ...], list[str]]  # resource, URLs, names, verbs


def rule_lines(rules: list[Obj]) -> list[Line]:
    """One line a resource: rules that differ in their verbs only are joined. By verbs, group and resource."""
    joined: dict[tuple[str, str, str, str], list[str]] = {}  # by group, resource, name, URL
    for rule in rules:
        for group in rule.get("apiGroups") or ("",):
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    joined.setdefault((group, resource, name, ""), []).extend(rule["verbs"])
        for url in rule.get("nonResourceURLs") or ():
            joined.setdefault(("", "", "", url), []).extend(rule["verbs"])

    lines = [(key, list(dict.fromkeys(verbs))) for key, verbs in joined.items()]

    def order(item: tuple[tuple[str, str, str, str], list[str]]) -> tuple[str, ...]:
        return (_brackets(item[1]), *(f"[{part}]" for part in item[0]))

    return [
        (_full_name(group, resource), (url,) if url else (), (name,) if name else (), verbs)
        for (group, resource, name, url), verbs in sorted(lines, key=order)
    ]


def _full_name(group: str, resource: str) -> str:
    """`deployments.apps/scale`."""
    plural, slash, subresource = resource.partition("/")
    return (f"{plural}.{group}" if group else plural) + slash + subresource


def _brackets(values: Sequence[str]) -> str:
    return "[" + " ".join(values) + "]"
