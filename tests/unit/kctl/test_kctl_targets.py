"""From words to resources and names, without a server."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kctl.failure import Failure
from kctl.mapper import Mapper
from kctl.rest import Rest
from kctl.targets import one_target, parse_targets


class _Discovery:
    """Answers discovery as a server would that has one kind more than kctl knows by itself."""

    def get(self, path: str, query: Any = (), accept: str = "") -> dict[str, Any]:
        def resource(name: str, kind: str, shorts: list[str], scope: str = "Namespaced") -> dict[str, Any]:
            return {
                "resource": name, "responseKind": {"kind": kind}, "scope": scope, "shortNames": shorts,
                "singularResource": kind.lower(), "verbs": ["get", "list"], "categories": ["all"] if kind == "Pod" else [],
            }  # fmt: skip

        if path == "/api":
            core = {"version": "v1", "resources": [resource("pods", "Pod", ["po"])]}
            return {"items": [{"metadata": {}, "versions": [core]}]}
        widgets = [{"version": v, "resources": [resource("widgets", "Widget", ["wd"])]} for v in ("v2", "v1")]
        return {"items": [{"metadata": {"name": "example.com"}, "versions": widgets}]}


@pytest.fixture
def mapper() -> Mapper:
    return Mapper(cast(Rest, _Discovery()))


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("pods", "pods v1"), ("po", "pods v1"), ("Pod", "pods v1"), ("pod", "pods v1"),
        ("deploy", "deployments.apps apps/v1"), ("deployments.apps", "deployments.apps apps/v1"),
        ("deployments.v1.apps", "deployments.apps apps/v1"), ("crd", "customresourcedefinitions.apiextensions.k8s.io apiextensions.k8s.io/v1"),
        ("wd", "widgets.example.com example.com/v2"), ("widgets.v1.example.com", "widgets.example.com example.com/v1"),
    ],
)  # fmt: skip
def test_every_name_of_a_resource_finds_it(mapper: Mapper, word: str, found: str) -> None:
    gvr = mapper.find(word).gvr
    assert f"{gvr} {gvr.api_version}" == found


@pytest.mark.parametrize(
    ("args", "targets"),
    [
        (["pods"], [("pods", ())]),
        (["pods", "a", "b"], [("pods", ("a", "b"))]),
        (["pod/a", "pod/b", "svc/c"], [("pods", ("a", "b")), ("services", ("c",))]),
        (["po,svc"], [("pods", ()), ("services", ())]),
        (["all"], [("pods", ())]),
    ],
)
def test_words_mean_targets(
    mapper: Mapper, args: list[str], targets: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert [(t.resource.gvr.resource, t.names) for t in parse_targets(mapper, args)] == targets


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "you must specify the type of resource"),
        (["nope"], 'the server doesn\'t have a resource type "nope"'),
        (["widgts"], "Did you mean widgets?"),
        (["pod/a", "svc"], "there is no need to specify a resource type as a separate argument"),
        (["pod/"], "there is no need"),
        (["pods,svc", "a"], "names can follow one resource type only"),
    ],
)
def test_words_that_mean_nothing_are_refused(mapper: Mapper, args: list[str], message: str) -> None:
    with pytest.raises(Failure, match=message):
        parse_targets(mapper, args)


def test_lone_name_is_of_the_default_type(mapper: Mapper) -> None:
    info, name = one_target(mapper, ["web-0"], default="pods")
    assert (info.gvr.kind, name) == ("Pod", "web-0")


def test_unknown_kind_of_a_manifest_suggests_the_right_one(mapper: Mapper) -> None:
    with pytest.raises(
        Failure, match=r'no matches for kind "Widgt" in version "example\.com/v1"\. Did you mean Widget\?'
    ):
        mapper.find_kind("example.com/v1", "Widgt")
