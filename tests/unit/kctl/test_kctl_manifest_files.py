"""What -f reads, and what it says of files that cannot be read."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from kctl.failure import Failure
from kctl.manifest_files import read_manifests, with_labels

ONE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {a: b}}\n"
TWO = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n"


def _names(paths: list[str], *, recursive: bool = False) -> list[str]:
    return [m.obj["metadata"]["name"] for m in read_manifests(paths, recursive=recursive)]


def test_documents_files_folders_and_lists_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(f"---\n{ONE}---\n\n---\n{TWO}")
    (tmp_path / "a.json").write_text('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"json"}}')
    (tmp_path / "c.txt").write_text("not a manifest")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "d.yml").write_text(TWO.replace("two", "deep"))
    items = "".join(f"- {text.replace(chr(10), chr(10) + '  ').rstrip()}\n" for text in (ONE, TWO))
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "l.yaml").write_text(f"apiVersion: v1\nkind: List\nitems:\n{items}")
    assert _names([str(tmp_path)]) == ["json", "one", "two"]
    assert _names([str(tmp_path)], recursive=True) == ["json", "one", "two", "deep", "one", "two"]


def test_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ONE.encode())))
    assert _names(["-"]) == ["one"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c\n", r"error parsing .*m\.yaml, document 1: yaml: line 1: "),
        ("a: b\n---\na: b: c\n", r"error parsing .*m\.yaml, document 2: yaml: line 3: "),
        (f"{ONE}---\nfoo: bar\n", r"m\.yaml, document 2 \(line 5\): Object 'apiVersion' is missing"),
        (
            "apiVersion: v1\nmetadata: {name: x}\n",
            r"m\.yaml, document 1 \(line 1\): Object 'kind' is missing",
        ),
        ("- a\n- b\n", r"m\.yaml, document 1 \(line 1\) is not an object but list"),
        ("\n---\n", r"no objects passed: nothing is written in .*m\.yaml"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- {kind: Pod}\n",
            r"document 1 \(line 1\), item 0: Object 'apiVersion'",
        ),
    ],
)
def test_unreadable_text_names_file_document_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(Failure, match=message):
        read_manifests([str(path)])


def test_absent_file_is_named() -> None:
    with pytest.raises(Failure, match=r'the path "/nowhere/x\.yaml" does not exist'):
        read_manifests(["/nowhere/x.yaml"])


def test_selector_keeps_what_it_selects(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"{ONE}---\n{TWO}")
    manifests = read_manifests([str(path)])
    assert [m.obj["metadata"]["name"] for m in with_labels(manifests, "a=b")] == ["one"]
    assert len(with_labels(manifests, "")) == 2
    with pytest.raises(Failure):
        with_labels(manifests, "a in b")
