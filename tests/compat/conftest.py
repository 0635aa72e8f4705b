"""One cluster for all the clients of a session: API server, scheduler, controllers and two nodes as processes, TLS,
simulated containers. Each test works in a namespace of its own, and a component that ends or logs an error while
the clients are at work fails the session.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))
from clusters import Cluster, running

KINDS = Path(__file__).with_name("kinds.yaml")


@pytest.fixture(scope="session")
def compat_cluster() -> Iterator[Cluster]:
    with running("compat", "--fake-runtime", "--nodes", "2") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def api_client(compat_cluster: Cluster) -> Iterator[Any]:
    """The official client as the cluster's administrator."""
    from kubernetes import config

    with config.new_client_from_config(config_file=str(compat_cluster.kubeconfig)) as client:
        yield client


@pytest.fixture(scope="session")
def new_namespace(api_client: Any) -> Callable[[], str]:
    from kubernetes import client

    numbers = count(1)

    def make() -> str:
        name = f"team-{next(numbers)}"
        client.CoreV1Api(api_client).create_namespace({"metadata": {"name": name}})
        return name

    return make


@pytest.fixture
def namespace(new_namespace: Callable[[], str]) -> str:
    return new_namespace()


@pytest.fixture(scope="session")
def kinds() -> list[dict[str, Any]]:
    """One object of every kind that clients write."""
    return list(yaml.safe_load_all(KINDS.read_text()))
