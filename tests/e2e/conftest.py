"""Whole clusters as processes, each brought up once for a session and taken down by `kctl down --delete`.

`cluster` has two nodes and the fake runtime and runs anywhere; `native_cluster` runs real containers (root and
kernel needed) from two images built of this machine's busybox. What is missing on a machine is skipped by name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from clusters import Cluster, running, why_no_containers


@pytest.fixture(scope="session")
def needs_kubectl() -> None:
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl on the PATH to test with")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes, fake runtime, any machine."""
    with running("tour", "--fake-runtime", "--nodes", "2") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def native_cluster() -> Iterator[Cluster]:
    """One node, real containers, images localhost/web:1 and localhost/web:2."""
    if why := why_no_containers():
        pytest.skip(why)
    # Links and namespaces are named for the cluster: two test runs side by side must not share them.
    with running(f"e2e-{os.getpid()}") as cluster:
        for version in ("1", "2"):
            tag = f"localhost/web:{version}"
            cluster.kctl("images", "build-busybox", cluster.name, "--tag", tag).checked()
        yield cluster
