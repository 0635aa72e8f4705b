"""`kctl images list`: what a cluster's image store holds."""

from __future__ import annotations

import sys

from kctl.cluster.image_store import FLAGS, guarded, size_text, store_root
from kctl.flags import Options

LOCAL = True
USAGE = "images list [CLUSTER] [flags]"
EXAMPLES = (("Of the default cluster", "kctl images list"),)

__all__ = ["EXAMPLES", "FLAGS", "LOCAL", "USAGE", "run"]


def run(options: Options) -> int:
    from kctl.printers.table import TablePrinter
    from runtime.images.commands import list_images

    def show() -> None:
        root = store_root(options.args[0] if options.args else options.cluster, options)
        rows = [
            (tag, image.id.removeprefix("sha256:")[:12], size_text(image.size_bytes))
            for image in list_images(root)
            for tag in image.repo_tags or ["<none>"]
        ]
        TablePrinter(sys.stdout).print(("IMAGE", "ID", "SIZE"), rows)

    return guarded(show)
