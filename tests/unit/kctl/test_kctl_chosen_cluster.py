"""Which cluster a verb means when none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from kctl.cluster.chosen import chosen, plan_name
from kctl.flags import Options, UsageError


@pytest.mark.parametrize(
    ("asked", "in_use", "existing", "meant"),
    [
        ("lab", "other", ["default", "lab"], "lab"),
        ("new", "", [], "new"),
        ("", "lab", ["default", "lab"], "lab"),
        ("", "", ["default", "lab"], "default"),
        ("", "", ["lab"], "lab"),
        ("", "", [], "default"),
    ],
)
def test_a_name_left_out_means_the_nearest_cluster(
    asked: str, in_use: str, existing: list[str], meant: str
) -> None:
    assert plan_name(asked, in_use, existing) == meant


def test_several_without_a_default_are_named_not_guessed() -> None:
    with pytest.raises(UsageError, match="lab, shop"):
        plan_name("", "", ["lab", "shop"])


def test_the_kubeconfig_in_use_points_at_its_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("default", "lab"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cluster.json").write_text("{}")
    monkeypatch.setenv("KCTL_HOME", str(tmp_path))
    options = Options({"data_dir": ""}, [], [], set())

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "lab" / "kubeconfig"))
    assert chosen("", options)[0] == "lab"
    monkeypatch.setenv("KUBECONFIG", "/etc/elsewhere/kubeconfig")
    assert chosen("", options)[1].root == tmp_path / "default"
