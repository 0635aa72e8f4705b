"""Kubeconfig files are read as one, and changed where kubectl would change them, in one step."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kctl.__main__ import main


def _file(path: Path, name: str, *, current: str = "") -> Path:
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": current,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}", "certificate-authority": "ca.crt"}}],
        "users": [{"name": name, "user": {"token": "s3cret"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    files = _file(tmp_path / "a", "a", current="a"), _file(tmp_path / "b", "b", current="b")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    return files


def test_several_files_are_one_and_secrets_are_hidden(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "view", "-o", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in shown["contexts"]] == ["a", "b"]
    assert shown["current-context"] == "a"
    assert shown["users"][0]["user"]["token"] == "REDACTED"
    assert shown["clusters"][0]["cluster"]["certificate-authority"] == str(two[0].parent / "ca.crt")


def test_minified_view_holds_one_context(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "view", "--minify", "--raw", "--context=b", "-o", "jsonpath={.users[*].user.token} {.clusters[*].name}"]) == 0  # fmt: skip
    assert capsys.readouterr().out == "s3cret b"


def test_change_goes_to_the_file_that_says_it_and_keeps_notation_and_mode(two: tuple[Path, Path]) -> None:
    os.chmod(two[1], 0o640)
    assert main(["config", "set-context", "b", "--namespace=shop"]) == 0
    assert json.loads(two[1].read_text())["contexts"][0]["context"]["namespace"] == "shop"
    assert "shop" not in two[0].read_text()
    assert os.stat(two[1]).st_mode & 0o777 == 0o640
    assert sorted(os.listdir(two[0].parent)) == ["a", "b"]


def test_new_entries_go_to_the_first_file(two: tuple[Path, Path]) -> None:
    assert main(["config", "set-cluster", "new", "--server=https://new"]) == 0
    assert main(["config", "set-credentials", "new", "--token=t"]) == 0
    assert main(["config", "set-context", "new", "--cluster=new", "--user=new"]) == 0
    assert main(["config", "use-context", "new"]) == 0
    content = json.loads(two[0].read_text())
    assert content["current-context"] == "new"
    assert [c["name"] for c in content["clusters"]] == ["a", "new"]


def test_rename_and_delete(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "rename-context", "a", "z"]) == 0
    assert main(["config", "current-context"]) == 0
    assert main(["config", "delete-context", "z"]) == 0
    out = capsys.readouterr()
    assert 'Context "a" renamed to "z".\nz\n' in out.out
    assert "removed your active context" in out.err
    assert main(["config", "delete-context", "z"]) == 1
    assert main(["config", "get-contexts", "-o", "name"]) == 0
    assert capsys.readouterr().out == "b\n"


def test_absent_context_suggests_the_right_one(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "set-context", "production"]) == 0
    assert main(["config", "use-context", "producton"]) == 1
    assert 'no context exists with the name: "producton". Did you mean production?' in capsys.readouterr().err


def test_lock_of_somebody_else_is_respected(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = two[0].read_text()
    (two[0].parent / "a.lock").touch()
    assert main(["config", "use-context", "b"]) == 1
    assert "is being changed by somebody else" in capsys.readouterr().err
    assert two[0].read_text() == before


def test_absent_file_is_made_in_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert main(["config", "set-context", "x", "--cluster=c"]) == 0
    assert path.read_text() == (
        "apiVersion: v1\ncontexts:\n- context:\n    cluster: c\n  name: x\nkind: Config\n"
    )
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["current-context"], "current-context is not set"),
        (["use-context"], "exactly one context must be named"),
        (["set-context"], "either one NAME or --current is required"),
        (["view", "--minify"], "current-context must exist in order to minify"),
        (["rename-context", "a", "b"], 'cannot rename the context "a", it\'s not in'),
    ],
)
def test_what_cannot_be_done_says_why(
    argv: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert main(["config", *argv]) == 1
    assert message in capsys.readouterr().err
