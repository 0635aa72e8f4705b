"""The images that upstream's end-to-end tests name, made of what was built from its source and of Debian's packages.

The registries that hold the originals are not asked: a cluster is given these under the names the tests use, by `kctl images import`.
`agnhost` and the sample API server are upstream's programs; where a test only wants "a web server" or "a shell", it gets busybox.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

_ACCOUNTS = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}
_BUSYBOX = Path("/bin/busybox")


@dataclass(frozen=True)
class SuiteImage:
    """One image: `files` by path in it, bytes or a file of this machine; `below` is the tar of a root file system under them."""

    names: Sequence[str]
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    below: Path | None = None
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    user: str = ""
    workdir: str = ""
    ports: Sequence[int] = ()
    as_root: Sequence[str] = ()  # files that run as root whoever runs them (set-user-ID)


def catalogue(built: Path) -> Iterator[SuiteImage]:
    """`built` holds what tools/upstream/kubernetes.sh leaves: programs, conformance-base.tar, html/ of two images."""
    busybox: dict[str, bytes | Path] = {"bin/busybox": _BUSYBOX, **_ACCOUNTS}
    listed = subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    applets = {f"bin/{name}": "busybox" for name in listed if name != "busybox"}

    def of_busybox(*names: str, files: Mapping[str, bytes] | None = None, **more: Any) -> SuiteImage:
        return SuiteImage(names, {**busybox, **(files or {})}, applets, **more)

    yield of_busybox("docker.io/library/busybox:1.29", cmd=("sh",))
    yield of_busybox("gcr.io/kubernetes-e2e-test-images/nonroot:1.0", cmd=("sh",), user="1234")
    for name, root, versions in (
        ("httpd", "usr/local/apache2/htdocs", ("2.4.38-alpine", "2.4.39-alpine")),
        ("nginx", "usr/share/nginx/html", ("1.14-alpine", "1.15-alpine")),
    ):
        yield of_busybox(
            *(f"docker.io/library/{name}:{version}" for version in versions),
            files={f"{root}/index.html": b"<html><body><h1>It works!</h1></body></html>\n"},
            cmd=("httpd", "-f", "-p", "80", "-h", f"/{root}"),
            ports=(80,),
        )
    yield SuiteImage(("k8s.gcr.io/pause:3.2",), {"pause": built / "pause"}, entrypoint=("/pause",))
    agnhost = SuiteImage(
        ("k8s.gcr.io/e2e-test-images/agnhost:2.21",),
        {
            "agnhost": built / "agnhost",
            "usr/local/bin/busybox": _BUSYBOX,
            "uploads/.keep": b"",
            **_localhost(built),
        },
        {"agnhost-2": "agnhost", "usr/local/bin/hexdump": "busybox", "usr/local/bin/netstat": "busybox"},
        below=built / "conformance-base.tar",
        entrypoint=("/agnhost",),
        cmd=("pause",),
        ports=(80, 8080, 8081, 9376),
    )
    yield agnhost
    yield SuiteImage(
        ("gcr.io/kubernetes-e2e-test-images/jessie-dnsutils:1.0",),
        below=built / "conformance-base.tar",
        cmd=("sh",),
    )
    yield SuiteImage(
        ("gcr.io/kubernetes-e2e-test-images/nonewprivs:1.0",),
        {"usr/local/bin/nnp": built / "nonewprivs", **_ACCOUNTS},
        cmd=("nnp",),
        as_root=("usr/local/bin/nnp",),
    )
    for name in ("kitten", "nautilus"):
        page = built / "html" / name
        yield SuiteImage(
            (f"gcr.io/kubernetes-e2e-test-images/{name}:1.0",),
            {"agnhost": built / "agnhost", **{path.name: path for path in page.iterdir()}},
            entrypoint=("/agnhost",),
            cmd=("test-webserver",),
            ports=(80,),
        )
    yield SuiteImage(
        ("gcr.io/kubernetes-e2e-test-images/sample-apiserver:1.17",),
        {"sample-apiserver": built / "sample-apiserver", **_ACCOUNTS},
        entrypoint=("/sample-apiserver",),
    )
    yield SuiteImage(
        ("k8s.gcr.io/etcd:3.4.13-0",),
        {"usr/local/bin/etcd": built.parent / "etcd", **busybox},
        applets,
        cmd=("/usr/local/bin/etcd",),
    )


def _localhost(built: Path) -> Mapping[str, Path]:
    return {name: built / "porter" / name for name in ("localhost.crt", "localhost.key")}


def write_archive(image: SuiteImage, path: Path) -> None:
    """As `docker save` would: one tar with manifest.json, a config, and the layers."""
    layers = [] if image.below is None else [image.below.read_bytes()]
    layers.append(_layer(image))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint) or None,
            "Cmd": list(image.cmd) or None,
            "User": image.user,
            "WorkingDir": image.workdir,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "ExposedPorts": {f"{port}/tcp": {} for port in image.ports} or None,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}" for layer in layers]},
    }
    manifest = [
        {
            "Config": "config.json",
            "RepoTags": list(image.names),
            "Layers": [f"{number}.tar" for number in range(len(layers))],
        }
    ]
    with tarfile.open(path, "w") as archive:
        _add(archive, "manifest.json", json.dumps(manifest).encode())
        _add(archive, "config.json", json.dumps(config).encode())
        for number, layer in enumerate(layers):
            _add(archive, f"{number}.tar", layer)


def _layer(image: SuiteImage) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for directory, mode in (("tmp", 0o1777), ("etc", 0o755), ("root", 0o700), ("var", 0o755)):
            if image.below is None:
                info = tarfile.TarInfo(directory)
                info.type, info.mode = tarfile.DIRTYPE, mode
                layer.addfile(info)
        for name, content in image.files.items():
            executable = isinstance(content, Path) and os.access(content, os.X_OK)
            data = content.read_bytes() if isinstance(content, Path) else content
            mode = 0o4755 if name in image.as_root else 0o755 if executable else 0o644
            _add(layer, name, data, mode)
        for name, target in image.links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            layer.addfile(info)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))
