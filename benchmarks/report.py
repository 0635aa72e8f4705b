"""Rows to a table on the terminal, to results/SUBJECT.json, and to RESULTS.md over all subjects measured so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import in_words
from benchmarks.rows import Row, figure

HERE = Path(__file__).parent
RESULTS = HERE / "results"
_HEADS = ("what", "value", "target", "", "peer", "ratio", "spread")


def save(subject: str, machine: dict[str, Any], rows: Sequence[Row], took_s: float) -> None:
    RESULTS.mkdir(exist_ok=True)
    content = {
        "subject": subject,
        "measured": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "took_s": round(took_s, 1),
        "machine": machine,
        "rows": [row.to_json() for row in rows],
    }
    (RESULTS / f"{subject}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def table(rows: Sequence[Row]) -> str:
    lines = [_HEADS, *(_cells(row.to_json()) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADS))]
    return "\n".join(
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["skipped"]:
        return (row["name"], "skipped", row["target"] or "", "", row["skipped"], "", "")
    peer, faster, samples = row["peer"], row["faster"], row["samples"]
    return (
        row["name"],
        f"{figure(row['value'])} {row['unit']}".strip(),
        row["target"] or "",
        {True: "✓", False: "✗", None: ""}[row["is_met"]],
        f"{peer['name']} {figure(peer['value'])}{'' if peer['here'] else ' (elsewhere)'}" if peer else "",
        f"{faster:.2f} ×" if faster else "",
        f"{figure(min(samples))}–{figure(max(samples))} of {len(samples)}" if len(samples) > 1 else "",
    )


def write_markdown(order: Sequence[str]) -> Path:
    """RESULTS.md from every results/*.json, in the order of `order`."""
    lines = [
        "# Measured",
        "",
        "Written by `python -m benchmarks`; do not edit. Values are medians of the samples whose spread stands beside",
        "them. A ratio above 1 means better than the peer. A peer is run in the same minute on the same machine,",
        "in alternation with ours, unless it says *elsewhere*: then its figure was taken on a like machine of two",
        "cores with Kubernetes 1.36.2, etcd 3.5 and containerd 1.6, and only the order of magnitude counts.",
        "A load average well above what the subject itself makes (about 2) means that the machine was shared: then trust",
        "ratios taken in the same run, and minima, rather than medians.",
        "",
    ]
    missed: list[str] = []
    for subject in order:
        path = RESULTS / f"{subject}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        lines += [f"## {subject}", ""]
        lines += [f"{result['measured']}, {in_words(result['machine'])}. Took {result['took_s']:.0f} s.", ""]
        lines += [
            "| what | value | target | | peer | ratio | spread | what bounds it |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in result["rows"]:
            lines.append("| " + " | ".join((*_cells(row), row["bound"])) + " |")
            if row["is_met"] is False:
                missed.append(
                    f"{subject}: {row['name']}: {figure(row['value'])} {row['unit']}, target {row['target']}"
                )
            if row["skipped"]:
                missed.append(f"{subject}: {row['name']}: not measured: {row['skipped']}")
        lines.append("")
    lines += ["## Short of its target, or not measured", ""]
    lines += [f"- {line}" for line in missed] or ["Nothing."]
    path = HERE / "RESULTS.md"
    path.write_text("\n".join(lines) + "\n")
    return path
