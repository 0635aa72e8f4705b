"""Layers that mean harm, or are merely odd: nothing leaves the directory, and what is refused says why."""

import bz2
import contextlib
import gzip
import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.cri import ImageFailure
from runtime.images.failures import Stopped, failing
from runtime.images.unpack import Limits, Unpacked, unpack_layer


class Tar:
    """Builds a tar entry by entry."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(
        self, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", **more
    ) -> "Tar":
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.mode = kind, link, 0o755 if kind == tarfile.DIRTYPE else 0o644
        entry.size = len(data)
        for key, value in more.items():
            setattr(entry, key, value)
        self.tar.addfile(entry, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
        return self

    def folder(self, name: str, **more) -> "Tar":
        return self.add(name, kind=tarfile.DIRTYPE, **more)

    def link(self, name: str, target: str) -> "Tar":
        return self.add(name, kind=tarfile.SYMTYPE, link=target)

    def hard(self, name: str, target: str) -> "Tar":
        return self.add(name, kind=tarfile.LNKTYPE, link=target)

    def bytes(self) -> bytes:
        self.tar.close()
        return self.buffer.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "layer"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("untouched")
    return folder


def unpack(data: bytes, root: Path, limits: Limits = Limits(), below=()) -> Unpacked:  # noqa: B008
    with failing("unpacking", root):
        return unpack_layer(io.BytesIO(data), root, below, limits)


def refused(data: bytes, root: Path, limits: Limits = Limits()) -> str:  # noqa: B008
    with pytest.raises(ImageFailure) as failure:
        unpack(data, root, limits)
    outside = root.parent / "outside"
    assert sorted(os.listdir(root.parent)) == ["layer", "outside"]
    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_text() == "untouched"
    return str(failure.value)


def assert_untouched(root: Path) -> None:
    outside = root.parent / "outside"
    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_text() == "untouched"
    assert (outside / "file").stat().st_nlink == 1


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "../outside/file", "/../evil", "./../evil"])
def test_name_that_climbs_out_is_refused(root, name):
    assert "leads out of the layer" in refused(Tar().add(name, b"x").bytes(), root)


def test_absolute_name_lands_inside(root):
    unpack(Tar().add("/etc/evil-test", b"x").bytes(), root)
    assert (root / "etc/evil-test").read_bytes() == b"x"
    assert not Path("/etc/evil-test").exists()


@pytest.mark.parametrize("target", ["../outside", "../../../../..", "/"])
def test_file_below_a_link_that_leads_out_stays_inside(root, target):
    absolute = str(root.parent / "outside") if target == "/" else target
    unpack(Tar().link("d", absolute).add("d/file", b"evil").bytes(), root)
    assert_untouched(root)
    inside = [p for p in root.rglob("file") if p.is_file() and not p.is_symlink()]
    assert [p.read_bytes() for p in inside] == [b"evil"]


def test_file_over_a_link_replaces_the_link(root):
    outside = root.parent / "outside" / "file"
    unpack(Tar().link("f", str(outside)).add("f", b"evil").bytes(), root)
    assert_untouched(root)
    assert not (root / "f").is_symlink()
    assert (root / "f").read_bytes() == b"evil"


def test_directory_over_a_link_replaces_the_link(root):
    unpack(Tar().link("d", "../outside").folder("d", mode=0o777).add("d/file", b"evil").bytes(), root)
    assert_untouched(root)
    assert (root / "d").is_dir()
    assert not (root / "d").is_symlink()


def test_links_that_go_in_circles_are_refused(root):
    data = Tar().link("a", "b").link("b", "a").add("a/x", b"").bytes()
    assert "too many symbolic links" in refused(data, root)


def test_link_that_grows_without_end_is_refused(root):
    data = Tar().link("a", "a/a/a/a/a/a").add("a/x", b"").bytes()
    assert "too many symbolic links" in refused(data, root)


def test_hard_link_to_a_file_outside_is_refused(root):
    outside = root.parent / "outside"
    assert "leads out" in refused(Tar().hard("h", "../outside/file").bytes(), root)
    assert "not in the layer" in refused(Tar().hard("h", str(outside / "file")).bytes(), root)
    through_link = Tar().link("d", "../outside").hard("h", "d/file").bytes()
    assert "not in the layer" in refused(through_link, root)
    assert_untouched(root)


def test_hard_link_to_a_symbolic_link_links_the_link(root):
    outside = str(root.parent / "outside" / "file")
    unpack(Tar().link("l", outside).hard("h", "l").bytes(), root)
    assert os.readlink(root / "h") == outside
    assert_untouched(root)


def test_writing_through_a_hard_linked_symlink_stays_inside(root):
    outside = str(root.parent / "outside" / "file")
    unpack(Tar().link("l", outside).hard("h", "l").add("h", b"evil").bytes(), root)
    assert_untouched(root)


def test_hard_links_share_their_file(root):
    unpack(Tar().add("a", b"data").hard("d/b", "a").hard("d/b", "./a").bytes(), root)
    assert (root / "d/b").stat().st_ino == (root / "a").stat().st_ino


def test_hard_link_to_a_directory_is_refused(root):
    assert "directory" in refused(Tar().folder("d").hard("h", "d").bytes(), root)


def test_link_inside_the_layer_is_followed(root):
    unpack(Tar().folder("usr/lib").link("lib", "usr/lib").add("lib/x", b"1").bytes(), root)
    assert (root / "usr/lib/x").read_bytes() == b"1"
    assert (root / "lib").is_symlink()


def test_later_entry_of_a_name_wins(root):
    tar = Tar().add("x", b"file").folder("x").add("x/y", b"1").add("x", b"again").link("z", "x").folder("z")
    unpack(tar.add("z/w", b"2").bytes(), root)
    assert (root / "x").read_bytes() == b"again"
    assert (root / "z/w").read_bytes() == b"2"


def test_entries_below_a_replaced_directory_land_in_the_new_one(root):
    tar = Tar().folder("d/e").add("d/e/old", b"1").add("d", b"file").folder("d").add("d/e/new", b"2")
    unpack(tar.bytes(), root)
    assert sorted(p.name for p in root.rglob("*")) == ["d", "e", "new"]


def test_modes_with_setuid_and_times_are_kept(root):
    tar = Tar().folder("bin", mode=0o1777, mtime=1000).add("bin/su", b"x", mode=0o4755, mtime=2000.5)
    unpack(tar.bytes(), root)
    assert stat.S_IMODE((root / "bin").stat().st_mode) == 0o1777
    assert (root / "bin").stat().st_mtime == 1000
    assert stat.S_IMODE((root / "bin/su").stat().st_mode) == 0o4755
    assert (root / "bin/su").stat().st_mtime_ns == 2_000_500_000_000


def test_missing_directories_are_like_those_of_the_layer_below(root, tmp_path):
    below = tmp_path / "outside"
    (below / "var").mkdir()
    (below / "var").chmod(0o700)
    os.utime(below / "var", (500, 500))
    unpack(Tar().add("var/new/file", b"x").bytes(), root, below=[below])
    assert stat.S_IMODE((root / "var").stat().st_mode) == 0o700
    assert (root / "var").stat().st_mtime == 500
    assert stat.S_IMODE((root / "var/new").stat().st_mode) == 0o755
    assert (root / "var/new").stat().st_mtime == 0


def test_xattrs_are_kept_but_those_that_steer_overlayfs(root):
    headers = {
        "SCHILY.xattr.user.color": "blue",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.user.overlay.opaque": "y",
    }
    unpack(Tar().folder("d", pax_headers=headers).add("f", b"x", pax_headers=headers).bytes(), root)
    for name in ("d", "f"):
        assert [a for a in os.listxattr(root / name) if not a.startswith("security.")] == ["user.color"]
        assert os.getxattr(root / name, "user.color") == b"blue"


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, zstd.compress, lambda d: gzip.compress(d[:700]) + gzip.compress(d[700:])],
)
def test_diff_id_is_that_of_the_whole_uncompressed_layer(root, compress):
    data = Tar().add("a", b"1" * 100_000).bytes() + b"\0" * 5000
    done = unpack(compress(data), root)
    assert done.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert (done.size_bytes, done.entries) == (100_000, 1)
    assert (root / "a").stat().st_size == 100_000


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress])
def test_layer_that_ends_early_is_refused(root, compress):
    data = compress(Tar().add("a", os.urandom(100_000)).bytes())
    assert "damaged" in refused(data[: len(data) // 2], root)


@pytest.mark.parametrize("data", [b"", b"x", b"not a tar at all" * 100, bz2.compress(b"x" * 5000)])
def test_what_is_no_tar_is_refused(root, data):
    assert "damaged" in refused(data, root)


def test_bomb_is_stopped_at_the_limit(root):
    data = gzip.compress(Tar().add("zeros", bytes(20_000_000)).bytes(), 9)
    assert len(data) < 100_000
    assert "limit of 1000000 bytes" in refused(data, root, Limits(layer_bytes=1_000_000))
    assert sum(p.stat().st_size for p in root.rglob("*")) <= 1_000_000


def test_bomb_behind_the_end_of_the_tar_is_stopped(root):
    data = gzip.compress(Tar().add("a", b"1").bytes() + bytes(20_000_000), 9)
    assert "limit of 1000000 bytes" in refused(data, root, Limits(layer_bytes=1_000_000))


def test_bomb_in_a_header_is_stopped(root):
    huge = Tar().add("a", b"1", pax_headers={"comment": "x" * 3_000_000}).bytes()
    assert "header" in refused(gzip.compress(huge), root)


def test_huge_sparse_file_is_refused(root):
    # A GNU sparse entry: 8 EiB said in a header of 512 bytes, no data.
    header = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[483:495] = b"\x80" + (1 << 62).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = bytes(header) + bytes(1024)
    assert "above its limit" in refused(data, root)


def test_sparse_file_keeps_its_holes(root):
    header = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[124:136] = b"%011o\0" % 512  # stored
    header[386:398] = b"%011o\0" % 1_000_000  # offset of the one piece
    header[398:410] = b"%011o\0" % 512
    header[483:495] = b"%011o\0" % 2_000_000  # real size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    unpack(bytes(header) + b"x" * 512 + bytes(1024), root)
    found = (root / "sparse").stat()
    assert found.st_size == 2_000_000
    assert found.st_blocks * 512 < 500_000
    assert (root / "sparse").read_bytes()[1_000_000:1_000_512] == b"x" * 512


def test_too_many_entries_are_refused(root):
    tar = Tar()
    for number in range(20):
        tar.add(str(number))
    assert "more than 10 entries" in refused(tar.bytes(), root, Limits(entries=10))


@pytest.mark.parametrize(
    "entry",
    [
        {"pax_headers": {"path": "a\0b"}},
        {"pax_headers": {"mtime": "nan"}},
        {"pax_headers": {"uid": "99999999999"}},
        {"pax_headers": {"path": "x" * 300}},
    ],
)
def test_entry_that_no_file_system_can_hold_is_refused(root, entry):
    refused(Tar().add("a", b"1", **entry).bytes(), root)


def test_unknown_kind_of_entry_is_refused(root):
    assert "unknown type" in refused(Tar().add("a", kind=b"Z").bytes(), root)


def test_unpacking_that_is_stopped_ends_at_once(root):
    with pytest.raises(Stopped):
        unpack_layer(io.BytesIO(Tar().add("a", b"1").bytes()), root, (), Limits(), lambda: True)


NAMES = st.sampled_from(
    ["a", "b", "a/b", "a/b/c", "b/../a", "./a", "/a/c", "l", "l/x", "l/../x", "../a", "a/../../outside/file"]
)
TARGETS = st.sampled_from(["a", "../outside", "..", "/", "l", "a/b", "../../outside/file", ".", "b/l"])
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["file", "folder", "link", "hard"]), NAMES, TARGETS), min_size=1, max_size=12
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES)
def test_no_mixture_of_entries_touches_anything_outside(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("mixed")
    root = folder / "layer"
    root.mkdir()
    (folder / "outside").mkdir()
    (folder / "outside" / "file").write_text("untouched")
    tar = Tar()
    for kind, name, target in entries:
        if kind == "file":
            tar.add(name, b"evil")
        elif kind == "folder":
            tar.folder(name, mode=0o700)
        elif kind == "link":
            tar.link(name, target)
        else:
            tar.hard(name, target)
    with contextlib.suppress(ImageFailure):
        unpack(tar.bytes(), root)
    assert sorted(os.listdir(folder)) == ["layer", "outside"]
    assert stat.S_IMODE((folder / "outside").stat().st_mode) == 0o755
    assert_untouched(root)
