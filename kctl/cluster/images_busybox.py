"""`kctl images build-busybox`: a small image of this machine's own static busybox; needs no registry."""

from __future__ import annotations

from pathlib import Path

from kctl.cluster.image_store import FLAGS as SHARED
from kctl.cluster.image_store import guarded, now, size_text, store_root
from kctl.flags import Flag, Options

LOCAL = True
USAGE = "images build-busybox [CLUSTER] [flags]"
EXAMPLES = (("For a first try", "kctl images build-busybox --tag localhost/busybox:latest"),)
FLAGS = (
    *SHARED,
    Flag("tag", "t", default="localhost/busybox:latest", help="the image's name"),
    Flag("busybox", default="", help="the program to use (default: the one on the PATH)"),
    Flag("label", type="list", default=[], help="KEY=VALUE to put on the image; may be repeated"),
)


def run(options: Options) -> int:
    from runtime.images.build import BuildConfig
    from runtime.images.commands import build_from_busybox

    def build() -> None:
        root = store_root(options.args[0] if options.args else options.cluster, options)
        labels = dict(word.partition("=")[::2] for word in options.label)
        # The name is a label too, so that two tags are two images with ids of their own.
        config = BuildConfig(cmd=("sh",), labels={"org.opencontainers.image.ref.name": options.tag, **labels})
        program = Path(options.busybox) if options.busybox else None
        image = build_from_busybox(root, options.tag, now=now(), busybox=program, config=config)
        print(f"built {options.tag} ({size_text(image.size_bytes)})")

    return guarded(build)
