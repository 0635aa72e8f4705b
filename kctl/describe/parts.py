"""Pieces that many kinds' descriptions share: labels, annotations, tolerations, conditions, owners, events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kctl.ages import age
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST = 140


def head(page: Page, obj: Obj) -> None:
    """Name, namespace, labels, annotations."""
    meta = obj["metadata"]
    page.line(0, f"Name:\t{meta['name']}")
    if meta.get("namespace"):
        page.line(0, f"Namespace:\t{meta['namespace']}")
    show_labels(page, "Labels", meta.get("labels"))
    show_annotations(page, meta.get("annotations"))


def show_labels(page: Page, title: str, values: dict[str, str] | None, indent: str = "") -> None:
    several(page, title, [f"{key}={value}" for key, value in sorted((values or {}).items())], indent)


def several(page: Page, title: str, texts: Iterable[str], indent: str = "") -> None:
    """The first beside the title, the others below it."""
    listed = list(texts) or ["<none>"]
    page.line(0, f"{indent}{title}:\t{listed[0]}")
    for text in listed[1:]:
        page.line(0, f"\t{text}")


def show_annotations(page: Page, values: dict[str, str] | None, indent: str = "") -> None:
    """Without what apply remembers there; long or broken texts below their keys."""
    start = f"{indent}Annotations:\t"
    shown = {key: value for key, value in sorted((values or {}).items()) if key != LAST_APPLIED}
    if not shown:
        page.line(0, f"{start}<none>")
    for key, value in shown.items():
        value = value.removesuffix("\n")
        if len(value) + len(key) + 2 <= _LONGEST and "\n" not in value:
            page.line(0, f"{start}{key}: {value}")
        else:
            page.line(0, f"{start}{key}:")
            for text in value.split("\n"):
                cut = text if len(text) <= _LONGEST - 2 else text[: _LONGEST - 2] + "..."
                page.line(0, f"{indent}\t  {cut}")
        start = f"{indent}\t"


def tolerations(page: Page, values: list[Obj] | None, indent: str = "") -> None:
    ordered = sorted(values or (), key=lambda t: str(t.get("key", "")))
    several(page, "Tolerations", [_toleration(each) for each in ordered], indent)


def _toleration(each: Obj) -> str:
    text = str(each.get("key", ""))
    if each.get("value"):
        text += f"={each['value']}"
    if each.get("effect"):
        text += f":{each['effect']}"
    if each.get("operator") == "Exists" and not each.get("value"):
        text += " op=Exists" if text else "op=Exists"
    if each.get("tolerationSeconds") is not None:
        text += f" for {each['tolerationSeconds']}s"
    return text


def owner(page: Page, obj: Obj) -> None:
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            page.line(0, f"Controlled By:\t{reference['kind']}/{reference['name']}")


def conditions_with_reason(page: Page, values: list[Obj] | None) -> None:
    if not values:
        return
    page.line(0, "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------")
    for each in values:
        page.line(1, f"{each['type']} \t{each['status']}\t{each.get('reason', '')}")


def selector_text(selector: Obj | None) -> str:
    """A LabelSelector as text."""
    if selector is None:
        return "<none>"
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return "<none>"
    from machinery.selectors.labels import label_selector_of

    return str(label_selector_of(selector))


def bool_text(value: Any) -> str:
    return "true" if value else "false"


def size_of(text: str) -> int:
    """Bytes of a base64 text."""
    import base64

    return len(base64.b64decode(text))


def events_of(session: Session, obj: Obj, *, uid: str | None = None) -> list[Obj]:
    """Oldest first; `uid` for objects that report under another one (nodes under their name)."""
    meta = obj["metadata"]
    wanted = {
        "involvedObject.name": meta["name"],
        "involvedObject.namespace": meta.get("namespace", ""),
        "involvedObject.kind": obj["kind"],
        "involvedObject.uid": meta.get("uid", "") if uid is None else uid,
    }
    selector = ",".join(f"{field}={value}" for field, value in wanted.items() if value)
    path = session.mapper.find("events").gvr.path(meta.get("namespace", ""))
    found: list[Obj] = session.rest.get(path, [("fieldSelector", selector), ("limit", "500")])["items"]
    return found


def show_events(page: Page, events: list[Obj]) -> None:
    if not events:
        page.line(0, "Events:\t<none>")
        return
    from kctl.verbs.events import last_seen

    page.flush()
    page.line(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage")
    page.line(1, "----\t------\t----\t----\t-------")
    for event in sorted(events, key=last_seen):
        source = (event.get("source") or {}).get("component") or event.get("reportingComponent", "")
        message = str(event.get("message", "")).strip()
        page.line(
            1,
            "\t".join((event.get("type", ""), event.get("reason", ""), _interval(event), source, message)),
        )


def _interval(event: Obj) -> str:
    first = age(event.get("eventTime") or event.get("firstTimestamp"))
    series = event.get("series")
    if series:
        return f"{age(series.get('lastObservedTime'))} (x{series.get('count', 1)} over {first})"
    if event.get("count", 1) > 1:
        return f"{age(event.get('lastTimestamp'))} (x{event['count']} over {first})"
    return first
