"""Bringing raw scores into 0..100."""

from __future__ import annotations

from scheduler.framework.plugin import MAX_NODE_SCORE


def normalize_by_max(scores: dict[str, float]) -> None:
    """The best gets 100; all get 0 where none scored."""
    best = max(scores.values(), default=0.0)
    for name, score in scores.items():
        scores[name] = score * MAX_NODE_SCORE // best if best else 0.0


def normalize_reversed(scores: dict[str, float]) -> None:
    """The lowest raw score gets the most; all get 100 where none scored."""
    worst = max(scores.values(), default=0.0)
    for name, score in scores.items():
        scores[name] = MAX_NODE_SCORE - (score * MAX_NODE_SCORE // worst if worst else 0.0)
