"""YAML by kubectl's rules."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from machinery.codec import yaml_
from machinery.codec.yaml_ import Document, Duplicate, YamlError

# Text that another reader could take for something else, or that needs care to be written.
AWKWARD = [
    *("yes", "n", "Off", "1", "1.5", "", "~", "null", "a: b", "a #b", "#a", "- a", "-a", "*a", "&a", "!a"),
    *("%a", "@a", "{a}", "[a]", '"a"', "it's", "a\nb", "a\nb\n", "a\n\nb\n\n", "\na", " a", "a ", "a\tb"),
    *("é", "日本", "\U0001f600", "a\x07b", "x" * 100, "word " * 40, "1:30", "2001-01-01", "<<", "=", "a:"),
    *("2024-01-01T00:00:00Z", "2024-13-01", "0x1f", "014", "1e3", ".5", "\\", "a\r\nb", "---", "...", "?"),
    *(".inf", ".nan", "+1", "1_000", "0b1", "0o7", '{"a":1}\n', "  lead\nrest\n", "\n\n", "a" * 79 + " b"),
    *("sha256:abc", "10.0.0.1", "5s", "1e400"),
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("off", False),
        ("y", True),
        ("N", False),
        ("True", True),
        ("nUll", "nUll"),
        ("~", None),
        ("", None),
        ("014", 12),
        ("0x1F", 31),
        ("0b11", 3),
        ("0o14", 12),
        ("08", 8),
        ("1_000", 1000),
        ("1e3", 1000),
        ("1.5", 1.5),
        ("1.0", 1),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("1e400", "1e400"),
        ("'1'", "1"),
        ('"yes"', "yes"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("!!binary aGk=", "hi"),
        ("0.1.2", "0.1.2"),
        ("99999999999999999999999", 1e23),
        ("-", YamlError),
        (".inf", YamlError),
    ],
)
def test_scalar_means_what_it_means_to_kubectl(text: str, value: Any) -> None:
    if value is YamlError:
        with pytest.raises(YamlError):
            yaml_.load(f"k: {text}")
        return
    got = yaml_.load(f"k: {text}")["k"]
    assert got == value
    assert isinstance(got, bool) == isinstance(value, bool)


def test_documents_know_their_lines() -> None:
    text = "# c\na: 1\n---\n\nb: 2\n---\n---\nc: 3\n"
    assert yaml_.load_documents(text) == [
        Document({"a": 1}, 2),
        Document({"b": 2}, 5),
        Document(None, 6 + 1),
        Document({"c": 3}, 8),
    ]
    assert yaml_.load_documents("") == []
    with pytest.raises(YamlError, match="line 5: expected a single document"):
        yaml_.load(text)


def test_aliases_are_copies_and_merge_keys_merge() -> None:
    got = yaml_.load("a: &x {b: [1]}\nc: *x\nd:\n  <<: *x\n  e: 1\nf:\n  <<: [*x, {g: 2}]\n")
    assert got["c"] == {"b": [1]}
    assert got["c"] is not got["a"]
    assert got["d"] == {"b": [1], "e": 1}
    assert got["f"] == {"b": [1], "g": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line"),
        ("a: b: c", "line 1"),
        ("a:\n\t- b", "line 2"),
        ("[" * 100_000, "nested deeper"),
        ("{a: " * 100_000, "nested deeper"),
        ("&a [*a]", "contains itself"),
        ("*b", "unknown anchor"),
        ("{[a]: 1}", "a key must be text"),
        ("!!python/object:os.system x", "unknown tag"),
        ("<<: 1", "map merge requires"),
        (b"\xff\xfe\xff", "yaml"),
        ("x" * (yaml_.MAX_BYTES + 1), "bytes"),
    ],
)
def test_faulty_or_excessive_text_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        yaml_.load(text)
    assert message in str(caught.value)


def test_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(YamlError, match="excessive"):
        yaml_.load("\n".join(lines))


def test_duplicate_keys_are_told_when_asked() -> None:
    found: list[Duplicate] = []
    assert yaml_.load("a: 1\nb:\n  c: 1\n  c: 2\na: 3", duplicates=found) == {"a": 3, "b": {"c": 2}}
    assert found == [Duplicate("c", 4), Duplicate("a", 5)]


def test_awkward_text_reads_back_as_written() -> None:
    obj = {"strings": AWKWARD, "keys": dict.fromkeys(AWKWARD, 1)}
    assert yaml_.load(yaml_.dump(obj)) == obj


def test_dump_is_block_style_with_sorted_keys() -> None:
    obj = {
        "b": [1, {"z": 1, "x": [True, None]}],
        "a10": {},
        "a2": [],
        "t": "2024-01-01T00:00:00Z",
        "s": "a\nb\n",
    }
    assert yaml_.dump(obj) == (
        "a2: []\na10: {}\nb:\n- 1\n- x:\n  - true\n  - null\n  z: 1\n"
        's: |\n  a\n  b\nt: "2024-01-01T00:00:00Z"\n'
    )
    assert yaml_.dump("x") == "x\n"
    assert yaml_.dump_documents([{"a": 1}, {"b": 2}]) == "a: 1\n---\nb: 2\n"


@pytest.mark.kubectl
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on the PATH")
def test_dump_is_byte_for_byte_kubectls(tmp_path: Path) -> None:
    numbers = [1, -1, 1.5, 1e21, 1e20, 0.1, 1e-7, 123456789.123, True, None, 0, 1e6, 123456789012345680000]
    keys = ["a10", "a2", "a01", "a1", "B", "_x", "10", "9", "a-b", "a/b", "yes", "1.5", "", "x" * 130, "A10"]
    obj = {
        "apiVersion": "example.com/v1",
        "kind": "Foo",
        "metadata": {"labels": {"zz": "zz"}, "name": "x"},
        "spec": {
            "strings": [text for text in AWKWARD if text != "<<"],
            "keys": dict.fromkeys(keys, 1),
            "numbers": numbers,
            "nested": [[1, [2, []]], {"a": {"b": [{"c": 1, "d": [1]}]}}, [], {}],
        },
    }
    source = tmp_path / "foo.json"
    source.write_text(json.dumps(obj))
    command = ["kubectl", "label", "--local", "-f", str(source), "zz=zz", "-o", "yaml"]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert yaml_.dump(obj) == theirs
