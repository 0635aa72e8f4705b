"""Images in a store without any registry: builds, archives, names, clean-up."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from runtime.cri import ImageFailure, RuntimeFailure
from runtime.images import archive, commands
from runtime.images.build import BuildConfig, find_static_busybox, is_static
from runtime.images.content import digest_of
from runtime.images.fsinfo import filesystem_type, tree_bytes
from runtime.images.manifest import Platform, encode, host_platform
from runtime.images.metadata import Catalogue, Record
from runtime.images.store import ImageStore
from runtime.images.writable import WritableLayers

HAS_BUSYBOX = shutil.which("busybox") and is_static(Path(shutil.which("busybox") or ""))
needs_busybox = pytest.mark.skipif(not HAS_BUSYBOX, reason="needs a static busybox (package busybox-static)")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "rootfs"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "app").write_bytes(b"#!/bin/true\n")
    (folder / "bin" / "app").chmod(0o755)
    (folder / "bin" / "link").symlink_to("app")
    os.link(folder / "bin" / "app", folder / "bin" / "same")
    return folder


def blobs(root):
    return sorted(os.listdir(root / "blobs" / "sha256"))


def lower(root, image):
    store = ImageStore(root)
    record = store.catalogue.read().images[image.id]
    return store.lower(record)


# -- builds ------------------------------------------------------------------------------------------------


def test_built_image_holds_the_files_and_the_config(root, source):
    config = BuildConfig(entrypoint=("/bin/app",), cmd=("x",), env=("A=1",), user="7", labels={"k": "v"})
    image = commands.build_image(root, "team/app:1", source, config, now=5.0)
    assert image.repo_tags == ["docker.io/team/app:1"]
    assert image.user == "7"
    found = ImageStore(root).config(image.id)
    assert (found.entrypoint, found.cmd, found.env, found.user) == (("/bin/app",), ("x",), ("A=1",), "7")
    (layer,) = lower(root, image)
    assert (layer / "bin/app").read_bytes() == b"#!/bin/true\n"
    assert os.access(layer / "bin/app", os.X_OK)
    assert os.readlink(layer / "bin/link") == "app"
    assert (layer / "bin/same").stat().st_ino == (layer / "bin/app").stat().st_ino


def test_same_files_give_the_same_image(root, source, tmp_path):
    first = commands.build_image(root, "a:1", source, now=5.0)
    again = tmp_path / "again"
    shutil.copytree(source, again, symlinks=True)
    os.unlink(again / "bin/same")
    os.link(again / "bin/app", again / "bin/same")
    second = commands.build_image(tmp_path / "other", "b:1", again, now=9.0)
    assert first.id == second.id


def test_build_from_a_tar_is_the_build_from_its_directory(root, source, tmp_path):
    from runtime.images.build import write_layer

    with open(tmp_path / "root.tar", "wb") as file:
        write_layer(source, file)
    assert (
        commands.build_image(root, "a:1", source, now=1.0).id
        == commands.build_image(root, "b:1", tmp_path / "root.tar", now=1.0).id
    )
    assert len(commands.list_images(root)) == 1


@needs_busybox
def test_busybox_image_has_its_applets_and_files(root):
    image = commands.build_from_busybox(root, "kctl/demo:1", now=1.0, files={"/www/index.html": b"one"})
    again = commands.build_from_busybox(root, "kctl/demo:again", now=2.0, files={"/www/index.html": b"one"})
    other = commands.build_from_busybox(root, "kctl/demo:2", now=1.0, files={"/www/index.html": b"two"})
    assert image.id == again.id != other.id
    (layer,) = lower(root, image)
    assert os.readlink(layer / "bin/sh") == "/bin/busybox"
    assert (layer / "www/index.html").read_bytes() == b"one"
    assert oct((layer / "tmp").stat().st_mode)[-4:] == "1777"
    listed = subprocess.run(
        [layer / "bin/busybox", "--list-full"], capture_output=True, text=True, check=True
    )
    assert all(os.path.lexists(layer / name) for name in listed.stdout.split())


def test_dynamic_busybox_is_refused_with_the_package_to_install(tmp_path):
    with pytest.raises(ImageFailure, match="install the package busybox-static"):
        find_static_busybox(Path(sys.executable))
    with pytest.raises(ImageFailure, match="install the package busybox-static"):
        find_static_busybox(tmp_path / "nothing")


# -- archives ----------------------------------------------------------------------------------------------


def test_exported_image_is_imported_elsewhere_with_name_and_id(root, source, tmp_path):
    image = commands.build_image(root, "team/app:1", source, BuildConfig(cmd=("/bin/app",)), now=1.0)
    commands.export_image(root, "team/app:1", tmp_path / "image.tar")
    commands.export_image(root, "team/app:1", tmp_path / "again.tar")
    assert (tmp_path / "image.tar").read_bytes() == (tmp_path / "again.tar").read_bytes()
    (found,) = commands.import_image(tmp_path / "other", tmp_path / "image.tar", now=2.0)
    assert (found.id, found.repo_tags) == (image.id, ["docker.io/team/app:1"])
    packed = tmp_path / "image.tar.gz"
    packed.write_bytes(gzip.compress((tmp_path / "image.tar").read_bytes(), 1))
    (renamed,) = commands.import_image(tmp_path / "third", packed, name="new/name", now=2.0)
    assert (renamed.id, renamed.repo_tags) == (image.id, ["docker.io/new/name:latest"])


def test_layout_directory_is_imported(root, source, tmp_path):
    image = commands.build_image(root, "team/app:1", source, now=1.0)
    commands.export_image(root, "team/app:1", tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as tar:
        tar.extractall(tmp_path / "layout")
    (found,) = commands.import_image(tmp_path / "other", tmp_path / "layout", now=2.0)
    assert found.id == image.id


def docker_archive(path, *, linked=False, diff_id=""):
    """What `docker save` wrote for years: layers as ID/layer.tar, equal ones as links."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("hello"))
    data = layer.getvalue()
    digest = diff_id or digest_of(data)
    config = encode(
        {
            "os": "linux",
            "architecture": host_platform().architecture,
            "config": {"Cmd": ["/x"]},
            "rootfs": {"diff_ids": [digest, digest]},
        }
    )
    manifest = [
        {
            "Config": "c.json",
            "RepoTags": ["team/saved:1", "team/saved:2"],
            "Layers": ["a/layer.tar", "b/layer.tar"],
        }
    ]
    with tarfile.open(path, "w") as tar:

        def add(name, content):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

        add("a/layer.tar", data)
        if linked:
            entry = tarfile.TarInfo("b/layer.tar")
            entry.type, entry.linkname = tarfile.SYMTYPE, "../a/layer.tar"
            tar.addfile(entry)
        else:
            add("b/layer.tar", data)
        add("c.json", config)
        add("manifest.json", json.dumps(manifest).encode())
    return digest_of(config)


@pytest.mark.parametrize("linked", [False, True])
def test_docker_archive_is_imported(root, tmp_path, linked):
    image_id = docker_archive(tmp_path / "saved.tar", linked=linked)
    (found,) = commands.import_image(root, tmp_path / "saved.tar", now=1.0)
    assert found.id == image_id
    assert found.repo_tags == ["docker.io/team/saved:1", "docker.io/team/saved:2"]
    assert len(lower(root, found)) == 2


def test_docker_archive_with_another_layer_is_refused_and_cleaned(root, tmp_path):
    docker_archive(tmp_path / "saved.tar", diff_id="sha256:" + "1" * 64)
    with pytest.raises(ImageFailure, match="unpacks to content"):
        commands.import_image(root, tmp_path / "saved.tar", now=1.0)
    assert commands.list_images(root) == []
    assert ImageStore(root).collect(2.0)
    assert blobs(root) == []
    assert os.listdir(root / "layers") == []


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8bxx"])
def test_file_that_is_no_archive_is_refused(root, tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(ImageFailure, match=r"importing .*x\.tar"):
        commands.import_image(root, tmp_path / "x.tar", now=1.0)


def test_missing_archive_is_named(root, tmp_path):
    with pytest.raises(ImageFailure, match="No such file"):
        commands.import_image(root, tmp_path / "nothing.tar", now=1.0)


def test_layout_cannot_read_files_outside_itself(root, tmp_path):
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"{}")
    digest = digest_of(b"{}")
    (layout / "blobs" / "sha256" / digest[7:]).symlink_to(secret)
    (layout / "oci-layout").write_text("{}")
    (layout / "index.json").write_text(json.dumps({"manifests": [{"digest": digest, "size": 2}]}))
    with pytest.raises(ImageFailure, match="leads out"):
        commands.import_image(root, layout, now=1.0)


def test_image_for_another_platform_is_not_imported(root, source, tmp_path):
    commands.build_image(root, "team/app:1", source, now=1.0)
    commands.export_image(root, "team/app:1", tmp_path / "image.tar")
    store = ImageStore(tmp_path / "other")
    store.create()
    with pytest.raises(ImageFailure, match="no match for platform linux/s390x"):
        archive.import_archive(store, tmp_path / "image.tar", Platform("linux", "s390x"))


# -- names and clean-up ------------------------------------------------------------------------------------


def test_removing_one_of_two_tags_keeps_the_image(root, source):
    image = commands.build_image(root, "a:1", source, now=1.0)
    commands.build_image(root, "a:2", source, now=1.0)
    assert commands.remove_image(root, "a:1", now=2.0) == commands.Removed(["docker.io/library/a:1"], "")
    assert commands.remove_image(root, "a:2", now=2.0).image_id == image.id
    assert blobs(root) == []
    assert os.listdir(root / "layers") == []
    assert os.listdir(root / "trash") == []
    with pytest.raises(ImageFailure, match="no such image"):
        commands.remove_image(root, "a:2", now=2.0)


def test_image_is_found_by_short_id(root, source):
    image = commands.build_image(root, "a:1", source, now=1.0)
    names = Catalogue(root).read()
    digits = image.id.removeprefix("sha256:")
    assert names.resolve(digits[:12]) == names.resolve(digits) == names.resolve(image.id)
    assert names.resolve(digits[:11]) is None


def test_layers_that_a_container_stands_on_outlive_their_image(root, source, tmp_path):
    image = commands.build_image(root, "a:1", source, now=1.0)
    store = ImageStore(root)
    writable = WritableLayers(root, tmp_path / "node")
    writable.create()
    record = store.catalogue.read().images[image.id]
    rootfs = writable.prepare("c1", image.id, record.chain_ids, store.lower(record))
    commands.remove_image(root, "a:1", now=2.0)
    assert blobs(root) == [image.id.removeprefix("sha256:")]  # how to stop it is still known
    assert os.path.isdir(rootfs.lower[0])
    writable.remove("c1")
    writable.remove("c1")
    assert store.collect(3.0)
    assert blobs(root) == []
    assert not os.path.exists(rootfs.lower[0])
    assert os.listdir(root / "leases") == []


def test_lease_of_a_node_that_was_deleted_counts_for_nothing(root, source, tmp_path):
    image = commands.build_image(root, "a:1", source, now=1.0)
    store = ImageStore(root)
    writable = WritableLayers(root, tmp_path / "node")
    writable.create()
    record = store.catalogue.read().images[image.id]
    writable.prepare("c1", image.id, record.chain_ids, store.lower(record))
    shutil.rmtree(tmp_path / "node")
    commands.remove_image(root, "a:1", now=2.0)
    assert os.listdir(root / "layers") == []


def test_layer_that_somebody_deleted_is_unpacked_again(root, source):
    image = commands.build_image(root, "a:1", source, now=1.0)
    (layer,) = lower(root, image)
    shutil.rmtree(layer)
    assert lower(root, image) == [layer]
    assert (layer / "bin/app").exists()


def test_halves_that_a_crash_left_are_removed(root, source):
    image = commands.build_image(root, "a:1", source, now=1.0)
    (layer,) = lower(root, image)
    (root / "layers" / "abc.tmp" / "x").mkdir(parents=True)
    (root / "layers" / "def").mkdir()
    (root / "layers" / ".x.json.abc").write_text("")
    (root / "ingest" / "x.import").write_text("")
    (root / "blobs" / "sha256" / ".abc.def").write_text("")
    (root / "leases" / ".abc.json.def").write_text("")
    (root / ".images.json.def").write_text("")
    commands.build_image(root, "a:2", source, now=1.0)
    assert ImageStore(root).collect(1e9)
    assert sorted(os.listdir(root / "layers")) == [layer.name, f"{layer.name}.json"]
    assert os.listdir(root / "ingest") == []
    assert [str(p) for p in root.rglob(".*")] == []


def test_catalogue_of_another_process_is_seen_at_once(root, source):
    commands.open_store(root)
    reader, writer = Catalogue(root), Catalogue(root)
    assert reader.read().images == {}
    writer.change(lambda names: names.with_image(Record("sha256:x", "m", (), (), 1), ["t:1"], []))
    assert reader.read().tags == {"t:1": "sha256:x"}
    writer.change(lambda names: names.without_image("sha256:x"))
    assert reader.read().images == {}


def test_catalogue_that_cannot_be_read_says_what_to_do(root):
    commands.open_store(root)
    (root / "images.json").write_text("{")
    with pytest.raises(ImageFailure, match="remove it and import or pull the images again"):
        commands.list_images(root)


def test_writable_layer_is_made_once_and_measured(root, source, tmp_path):
    image = commands.build_image(root, "a:1", source, now=1.0)
    store = ImageStore(root)
    writable = WritableLayers(root, tmp_path / "node")
    writable.create()
    record = store.catalogue.read().images[image.id]
    first = writable.prepare("c1", image.id, record.chain_ids, store.lower(record))
    Path(first.upper, "data").write_bytes(b"x" * 100_000)
    again = writable.prepare("c1", image.id, record.chain_ids, store.lower(record))
    assert again == first
    assert 100_000 <= writable.usage_bytes("c1") < 200_000
    for bad in ("../c", "a/b", "", ".", "x" * 300):
        with pytest.raises(RuntimeFailure):
            writable.remove(bad)


# -- file systems ------------------------------------------------------------------------------------------


def test_file_system_is_told_from_mountinfo(tmp_path):
    device = os.stat(tmp_path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    line = f"36 35 {number} / / rw,noatime master:1 - overlay overlay rw,lowerdir=/x"
    assert filesystem_type(tmp_path, line) == "overlay"
    assert filesystem_type(tmp_path, "") == ""


def test_store_on_overlay_is_refused_by_name(root, monkeypatch):
    monkeypatch.setattr("runtime.images.fsinfo.filesystem_type", lambda path: "overlay")
    with pytest.raises(ImageFailure, match=r"is on overlay.*ext4") as failure:
        commands.open_store(root)
    assert failure.value.reason == "ImageStoreUnusable"


def test_hard_links_are_measured_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 65536)
    os.link(tmp_path / "a", tmp_path / "b")
    assert 65536 <= tree_bytes(tmp_path) < 131072


def test_removed_writable_layer_is_gone_at_once_and_its_space_when_the_trash_is_emptied(root, tmp_path):
    writable = WritableLayers(root, tmp_path / "node")
    writable.create()
    layer = writable.prepare("c1", "image", [], [])
    (Path(layer.upper) / "big").write_bytes(b"x" * 4096)
    writable.remove("c1")
    assert writable.find("c1") is None and not Path(layer.upper).exists()
    assert sum(1 for _ in (tmp_path / "node").rglob("big")) == 1
    again = writable.prepare("c1", "image", [], [])
    writable.remove("c1")  # the same id once more, before the first is swept away
    assert not list(Path(again.upper).parent.glob("*"))
    writable.empty_trash()
    assert not list((tmp_path / "node").rglob("big"))
