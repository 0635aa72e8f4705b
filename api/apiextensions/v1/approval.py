"""Definitions in the groups of the Kubernetes community (*.k8s.io, *.kubernetes.io) say where they were approved.

Source: KEP-1111, "api-approved.kubernetes.io".
"""

from __future__ import annotations

from urllib.parse import urlsplit

APPROVED = "api-approved.kubernetes.io"
_PROTECTED = ("k8s.io", "kubernetes.io")
_SEE = "see https://github.com/kubernetes/enhancements/pull/1111"


def is_protected(group: str) -> bool:
    return any(group == each or group.endswith(f".{each}") for each in _PROTECTED)


def says_approved(said: str) -> bool:
    try:
        url = urlsplit(said)
    except ValueError:
        return False
    return bool(url.scheme and url.netloc)


def missing_approval(said: str) -> str:
    """What is wrong with an annotation that is missing or says neither where nor why not."""
    if not said:
        return f'protected groups must have approval annotation "{APPROVED}", {_SEE}'
    return (
        f'protected groups must have approval annotation "{APPROVED}" with either a URL or a reason '
        f'starting with "unapproved", {_SEE}'
    )
