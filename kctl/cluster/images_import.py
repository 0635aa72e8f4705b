"""`kctl images import`: lays the images of an archive into a cluster's store."""

from __future__ import annotations

import sys
from pathlib import Path

from kctl.cluster.image_store import FLAGS as SHARED
from kctl.cluster.image_store import guarded, now, store_root
from kctl.flags import Flag, Options

LOCAL = True
USAGE = "images import [CLUSTER] PATH [flags]"
EXAMPLES = (
    ("What `docker save` wrote", "kctl images import web.tar"),
    ("An OCI layout, under another name", "kctl images import ./layout --name localhost/web:2"),
)
FLAGS = (*SHARED, Flag("name", default="", help="the name for the archive's one image"))


def run(options: Options) -> int:
    from runtime.images.commands import import_image

    if len(options.args) not in (1, 2):
        print("error: exactly one archive is expected: kctl images import [CLUSTER] PATH", file=sys.stderr)
        return 1

    def lay_in() -> None:
        root = store_root(options.args[0] if len(options.args) == 2 else options.cluster, options)
        for image in import_image(root, Path(options.args[-1]), name=options.name, now=now()):
            print(f"imported {', '.join(image.repo_tags) or image.id}")

    return guarded(lay_in)
