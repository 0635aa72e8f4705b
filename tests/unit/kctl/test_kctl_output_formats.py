"""-o: every format, and what is none."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import pytest

from kctl.flags import UsageError
from kctl.printers.custom_columns import go_text
from kctl.printers.printer import parse_output

PODS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"n": 1}},
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "b"},
        "spec": {"list": [{"k": "1"}, {"k": "2"}]},
    },
]
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "managedFields": [{}]}}


def _printed(output: str, objects: list[dict[str, Any]], **more: Any) -> str:
    out = io.StringIO()
    parse_output(output).print_all(out, copy.deepcopy(objects), as_list=len(objects) > 1, **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("name", "pod/a\npod/b\n"),
        ("jsonpath={.items[*].metadata.name}", "a b"),
        ('jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}', "a\nb\n"),
        ("jsonpath-as-json={.items[0].metadata}", '[\n    {\n        "labels": {\n            "x": "y"\n        },\n        "name": "a"\n    }\n]\n'),
        ("custom-columns=NAME:.metadata.name,N:.spec.n", "NAME   N\na      1\nb      <none>\n"),
        ("custom-columns=K:spec.list[*].k,L:{.metadata.labels}", "K        L\n<none>   map[x:y]\n1,2      <none>\n"),
    ],
)  # fmt: skip
def test_objects_are_printed(output: str, text: str) -> None:
    assert _printed(output, PODS) == text


def test_group_is_part_of_the_name() -> None:
    assert _printed("name", [WEB]) == "deployment.apps/web\n"


def test_managed_fields_are_left_out_unless_wanted() -> None:
    assert "managedFields" not in _printed("yaml", [WEB])
    assert "managedFields" in _printed("json", [WEB], keep_managed_fields=True)


def test_several_objects_are_one_list() -> None:
    assert _printed("yaml", PODS).startswith("apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n")


def test_templates_may_be_in_files(tmp_path: Path) -> None:
    columns = tmp_path / "columns"
    columns.write_text("NAME           N\nmetadata.name  spec.n\n")
    assert _printed(f"custom-columns-file={columns}", PODS) == "NAME   N\na      1\nb      <none>\n"
    path = tmp_path / "path"
    path.write_text("{.items[0].metadata.name}")
    assert _printed(f"jsonpath-file={path}", PODS) == "a"


def test_headers_may_be_left_out() -> None:
    assert _printed("custom-columns=NAME:.metadata.name", PODS, headers=False) == "a\nb\n"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("nope", 'unable to match a printer suitable for the output format "nope"'),
        ("jsonpath", "jsonpath needs a template"),
        ("go-template={{.kind}}", "say it in JSONPath"),
        ("jsonpath-file=/nowhere", "cannot read /nowhere"),
    ],
)
def test_what_is_no_format_is_refused(output: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_output(output)


@pytest.mark.parametrize("columns", ["NAME", "NAME:", ":x", "NAME:.a[", "A:.a,B"])
def test_wrong_columns_are_refused(columns: str) -> None:
    with pytest.raises(UsageError):
        _printed(f"custom-columns={columns}", PODS)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "<nil>"), (True, "true"), (3, "3"), ("x", "x"), ([1, [2]], "[1 [2]]"), ({"b": 1, "a": {}}, "map[a:map[] b:1]")],
)  # fmt: skip
def test_values_are_written_as_go_does(value: Any, text: str) -> None:
    assert go_text(value) == text
