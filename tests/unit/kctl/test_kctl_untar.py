"""What a container's tar may do to the local machine: make files and folders where it was asked to, no more."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from kctl.untar import untar


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> tarfile.TarFile:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return tarfile.open(fileobj=io.BytesIO(data.getvalue()))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, 1000
    return info


def test_folder_comes_under_its_new_name_with_modes_and_times(tmp_path: Path) -> None:
    tar = tar_of(
        (member("www", tarfile.DIRTYPE, mode=0o755), b""),
        (member("www/cgi/run.sh", mode=0o4755), b"#!/bin/sh"),
    )
    assert untar(tar, "www", tmp_path / "page").count == 2
    script = tmp_path / "page" / "cgi" / "run.sh"
    assert script.read_bytes() == b"#!/bin/sh"
    assert script.stat().st_mode & 0o7777 == 0o755 and script.stat().st_mtime == 1000


def test_single_file_becomes_the_target(tmp_path: Path) -> None:
    assert untar(tar_of((member("./app.log"), b"line")), "app.log", tmp_path / "here.log").count == 1
    assert (tmp_path / "here.log").read_bytes() == b"line"


def test_paths_that_climb_or_lie_elsewhere_are_passed_over(tmp_path: Path) -> None:
    tar = tar_of(
        (member("www/../../out"), b"bad"), (member("/etc/passwd"), b"bad"), (member("wwwroot/x"), b"bad")
    )
    assert untar(tar, "www", tmp_path / "deep" / "page").count == 0
    assert not list(tmp_path.rglob("*"))


def test_links_and_devices_are_left_out_and_named(tmp_path: Path) -> None:
    tar = tar_of(
        (member("www/out", tarfile.SYMTYPE, link="/etc"), b""),
        (member("www/out/passwd"), b"bad"),
        (member("www/null", tarfile.CHRTYPE), b""),
        (member("www/hard", tarfile.LNKTYPE, link="/etc/passwd"), b""),
    )
    done = untar(tar, "www", tmp_path / "page")
    assert done.skipped == ("www/out", "www/null", "www/hard")
    assert (tmp_path / "page" / "out").is_dir() and not (tmp_path / "page" / "out").is_symlink()
