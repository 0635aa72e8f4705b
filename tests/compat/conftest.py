"""One cluster for all the clients of a session: API server, scheduler, controllers and two nodes as processes, TLS,
simulated containers. Each test works in a namespace of its own, and a component that ends or logs an error while
the clients are at work fails the session.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_wire import Wire
from clusters import Cluster, running


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
    from kubernetes import client, watch

    numbers = count(1)

    core = client.CoreV1Api(api_client)

    def make() -> str:
        """A namespace that has the account which controllers give each."""
        name = f"team-{next(numbers)}"
        core.create_namespace({"metadata": {"name": name}})
        stream = watch.Watch()
        for _ in stream.stream(core.list_namespaced_service_account, name, timeout_seconds=15):
            stream.stop()
        return name

    return make


@pytest.fixture
def namespace(new_namespace: Callable[[], str]) -> str:
    return new_namespace()


@pytest.fixture(scope="session")
def wire(compat_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Wire:
    return Wire(compat_cluster.kubeconfig, tmp_path_factory.mktemp("wire"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several of the clients leave sockets to the garbage collector, which warns of them wherever it happens to run."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """What a module's clients left goes while its own tests still excuse it."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def widgets(api_client: Any) -> str:
    """Serves the custom kinds of crds.yaml; returns their group."""
    from kubernetes import client, watch

    extensions = client.ApiextensionsV1Api(api_client)
    for definition in yaml.safe_load_all(Path(__file__).with_name("crds.yaml").read_text()):
        extensions.create_custom_resource_definition(definition)
        name = f"metadata.name={definition['metadata']['name']}"
        stream = watch.Watch()
        for event in stream.stream(
            extensions.list_custom_resource_definition, field_selector=name, timeout_seconds=10
        ):
            conditions = event["object"].status.conditions or ()
            if any(each.type == "Established" and each.status == "True" for each in conditions):
                stream.stop()
    return "compat.example.com"
