"""`kctl create deployment`: a Deployment of one or more images."""

from __future__ import annotations

import re
from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session

COMMAND_AFTER_DASHES = True
USAGE = "create deployment NAME --image=IMAGE... [flags] [-- COMMAND [ARG...]]"
EXAMPLES = (
    ("Three replicas with a port", "kctl create deployment web --image=web:1 --replicas=3 --port=80"),
    ("With a command", "kctl create deployment clock --image=busybox -- sleep infinity"),
)
FLAGS = (
    Flag("image", type="list", default=[], help="image of a container; several make several containers"),
    Flag("replicas", "r", type="int", default=1, help="number of pods"),
    Flag("port", type="int", default=-1, help="port that the first container listens on"),
    *CREATE_FLAGS,
)


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    name = one_name(options, "deployment")
    if not options.image:
        raise Failure('required flag(s) "image" not set')
    if len(options.image) > 1 and options.rest:
        raise Failure("cannot specify multiple --image options and command")
    if options.replicas < 0:
        raise Failure(f"invalid --replicas={options.replicas}: it must not be negative")
    if options.port > 65535:
        raise Failure(f"invalid --port={options.port}: it is above 65535")
    containers: list[dict[str, Any]] = [
        {"image": image, "name": container, "resources": {}}
        for image, container in zip(options.image, container_names(options.image), strict=True)
    ]
    if options.rest:
        containers[0]["command"] = list(options.rest)
    if options.port >= 0:
        containers[0]["ports"] = [{"containerPort": options.port}]
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": options.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {},
    }


def container_names(images: list[str]) -> list[str]:
    """From the images' last parts, made DNS labels; a number is put to a name that occurs again."""
    names: list[str] = []
    for image in images:
        last = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
        name = re.sub(r"[^a-z0-9-]", "-", last.lower()).strip("-")[:63]
        count = 1
        unique = name
        while unique in names:
            count += 1
            unique = f"{name}-{count}"
        names.append(unique)
    return names
