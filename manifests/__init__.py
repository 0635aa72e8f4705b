"""Sample and built-in manifests, found by path: `manifests.path("deploy.yaml")`."""

from __future__ import annotations

from pathlib import Path


def path(name: str) -> Path:
    return Path(__file__).with_name(name)
