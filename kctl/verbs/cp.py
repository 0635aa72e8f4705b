"""`kctl cp`: copies files and folders from and to containers, through tar in the container."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.pods_of import choose_container
from kctl.session import Session
from kctl.streaming import run_command
from kctl.untar import untar

USAGE = "cp SOURCE DESTINATION [-c CONTAINER] [flags]   (one of them is [NAMESPACE/]POD:PATH)"
EXAMPLES = (
    ("Into a pod", "kctl cp ./page web-0:/www"),
    ("Out of one", "kctl cp web-0:/var/log/app.log ./app.log"),
)
FLAGS = (
    Flag("container", "c", default="", help="the container"),
    Flag("no-preserve", type="bool", default=False, help="do not keep owner and mode"),
    Flag("retries", type="int", default=0, help="accepted for kubectl's sake", hidden=True),
)


class _Place:
    """A local path, or one in a pod."""

    def __init__(self, session: Session, text: str) -> None:
        pod, colon, path = text.partition(":")
        if not colon or pod.startswith((".", "/")):
            self.pod, self.path, self.namespace = "", text, ""
            return
        namespace, slash, name = pod.partition("/")
        self.pod = name if slash else namespace
        self.namespace = namespace if slash else session.namespace
        self.path = path
        if not path:
            raise Failure(f"a path must follow {pod}:")


def run(options: Options, session: Session) -> int:
    if len(options.args) != 2:
        raise Failure("source and destination are required")
    source, target = (_Place(session, text) for text in options.args)
    if bool(source.pod) == bool(target.pod):
        raise Failure("one of source and destination must be a local file, the other [NAMESPACE/]POD:PATH")
    if target.pod:
        _upload(options, session, Path(source.path), target)
    else:
        _download(options, session, source, Path(target.path))
    return 0


def _exec(
    options: Options,
    session: Session,
    place: _Place,
    command: list[str],
    data: Iterator[bytes] | None,
    out: IO[bytes],
) -> tuple[int, bytes]:
    pod = session.rest.get(f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}")
    container = choose_container(session, pod, options.container)
    query = [("command", word) for word in command]
    query += [("container", container), ("stdout", "true"), ("stderr", "true")]
    if data is not None:
        query.append(("stdin", "true"))
    path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}/exec"
    return run_command(session.config, path, query, data, out)


def _upload(options: Options, session: Session, source: Path, target: _Place) -> None:
    if not source.exists():
        raise Failure(f"{source} doesn't exist in local filesystem")
    is_folder = _exec(options, session, target, ["test", "-d", target.path], None, io.BytesIO())[0] == 0
    folder, name = (target.path, source.name) if is_folder else os.path.split(target.path.rstrip("/"))
    command = ["tar", "-xmf", "-", "-C", folder or "/"]
    if options.no_preserve:
        command[1:1] = ["--no-same-permissions", "--no-same-owner"]
    code, errors = _exec(options, session, target, command, _tar_of(source, name), io.BytesIO())
    if code:
        raise Failure(f"tar in the container failed: {errors.decode(errors='replace').strip() or code}")


def _tar_of(source: Path, name: str) -> Iterator[bytes]:
    """A tar of the source, made while it is sent."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
            tar.add(source, name)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        while data := pipe.read(65536):
            yield data
    thread.join()


def _download(options: Options, session: Session, source: _Place, target: Path) -> None:
    folder, name = os.path.split(source.path.rstrip("/"))
    with tempfile.TemporaryFile() as spool:
        command = ["tar", "cf", "-", "-C", folder or "/", name]
        code, errors = _exec(options, session, source, command, None, cast(IO[bytes], spool))
        if code:
            raise Failure(f"tar in the container failed: {errors.decode(errors='replace').strip() or code}")
        spool.seek(0)
        with tarfile.open(fileobj=spool, mode="r:") as tar:
            done = untar(tar, name, target / name if target.is_dir() else target)
    if not done.count:
        raise Failure(f"there is no {name} in the container")
    for left_out in done.skipped:
        print(f"warning: left out {left_out}: only files and folders are copied", file=sys.stderr)
