"""What the `kctl images` verbs share: `[CLUSTER]` as first word, its store, and refusals in plain words."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from kctl.cluster.chosen import chosen
from kctl.flags import Flag, Options

FLAGS = (
    Flag("cluster", "c", default="", help="the cluster whose images are meant"),
    Flag("data-dir", help="where that cluster keeps its data"),
)


def store_root(name: str, options: Options) -> Path:
    """The cluster's image store. It may not run, or not exist yet: images can be laid in before `kctl up`."""
    return chosen(name, options)[1].images


def guarded(action: Callable[[], None]) -> int:
    """Runs it; a refusal of the store becomes one line and exit code 1."""
    from runtime.cri import ImageFailure

    try:
        action()
    except (ImageFailure, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def now() -> float:
    return time.time()


def size_text(size_bytes: int) -> str:
    """1.4 MB: decimal, as image sizes are told elsewhere."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
