"""What the `kctl store` verbs share, and the flags that say how to prove oneself to an etcd."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kctl.flags import Flag, Options

if TYPE_CHECKING:
    from standalone.store_move import Moved

DATA_DIR = Flag("data-dir", help="where the cluster keeps its data")
CLUSTER_FLAGS = (
    Flag("cluster", "c", default="", help="the cluster whose objects are meant"),
    DATA_DIR,
)
ETCD_FLAGS = (
    Flag("etcd-cafile", help="with an https etcd: CA of its certificate"),
    Flag("etcd-certfile", help="certificate shown to it"),
    Flag("etcd-keyfile", help="its key"),
)


def etcd_files(options: Options) -> tuple[str, str, str]:
    ca, cert, key = (
        str(Path(file).absolute()) if file else ""
        for file in (options.etcd_cafile, options.etcd_certfile, options.etcd_keyfile)
    )
    return ca, cert, key


def moved(action: Callable[[float], Moved]) -> Moved | None:
    """Does it at the present time; a refusal becomes one line, and None."""
    from apiserver.backends.backend import StoreUnavailable
    from standalone.config import ConfigError
    from standalone.store_move import StoreMoveFailed

    try:
        return action(time.time())
    except (StoreMoveFailed, StoreUnavailable, ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return None
