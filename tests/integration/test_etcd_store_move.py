"""`kctl store`: objects of a stopped cluster moved between sqlite and etcd, saved and restored, equal one by one."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from etcd_server import ETCD, EtcdServer

from apiserver.backends.backend import Backend, Compacted
from apiserver.backends.etcd import EtcdBackend
from apiserver.backends.sqlite import SqliteBackend
from apiserver.backends.sqlite_file import StoreDamaged
from kctl.cluster import store_migrate, store_restore, store_snapshot
from kctl.flags import Options
from machinery.clock import SystemClock
from standalone import config as cluster_config
from standalone.config import ClusterConfig, ConfigError
from standalone.layout import Layout
from standalone.store_dump import read_sqlite
from standalone.store_etcd import check_store, etcd_address, running_etcd
from standalone.store_move import StoreMoveFailed, forget, migrate, restore, snapshot
from standalone.supervisor import Lock

needs_etcd = pytest.mark.skipif(ETCD is None, reason="etcd is not installed: moving to it is NOT tested")
FILES = ("etcd_cafile", "etcd_certfile", "etcd_keyfile")
NOW = 1_800_000_000.0
OBJECTS = {f"/registry/pods/default/p{n:03}": b'{"n":%d}' % n for n in range(150)} | {
    "/registry/secrets/default/s": bytes(range(256)),
    "/registry/configmaps/default/empty": b"",
    "/registry/configmaps/default/ümläut": "ü".encode() * 100_000,
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "c")
    found.make()
    cluster_config.save(found, ClusterConfig("c", "fake", "sqlite", 6443, 0))
    return found


def with_backend(layout: Layout, body: Callable[[Backend], Awaitable[Any]]) -> Any:
    """The cluster's store as its API server would open it."""
    config = cluster_config.load(layout)
    assert config is not None

    async def main() -> Any:
        backend: Backend
        if config.store == "sqlite":
            backend = SqliteBackend(layout.store / "store.db", SystemClock())
        else:
            address = etcd_address(layout, config)
            backend = EtcdBackend([address.servers], SystemClock(), random.Random(1), prefix=address.prefix)
        await backend.start()
        try:
            return await body(backend)
        finally:
            await backend.close()

    if config.store == "etcd":
        with running_etcd(layout):
            return asyncio.run(main())
    return asyncio.run(main())


async def fill(backend: Backend) -> None:
    await backend.put("/registry/pods/default/gone", b"x")
    await backend.delete("/registry/pods/default/gone")
    await asyncio.gather(*(backend.put(key, value) for key, value in OBJECTS.items()))
    await backend.put("/registry/pods/default/p000", OBJECTS["/registry/pods/default/p000"])


async def state(backend: Backend) -> tuple[dict[str, bytes], int]:
    found = await backend.range("/registry/")
    assert len({kv.mod_revision for kv in found.kvs}) == len(found.kvs)
    return {kv.key: kv.value for kv in found.kvs}, found.revision


def set_store(layout: Layout, store: str) -> None:
    config = cluster_config.load(layout)
    assert config is not None
    cluster_config.save(layout, ClusterConfig("c", "fake", store, 6443, 0))


async def goes_on(backend: Backend, behind: int) -> None:
    """A client that knows revision `behind` is told to list again or misses nothing; writes get newer revisions."""
    written = await backend.put("/registry/pods/default/new", b"new", expect=0)
    assert written.ok and written.revision > behind
    for stale in {1, behind - 1}:
        with pytest.raises(Compacted):
            async with backend.watch("/registry/", stale) as stream:
                await anext(stream)
    assert (await backend.delete("/registry/pods/default/new", expect=written.revision)).ok


@needs_etcd
def test_there_and_back_again_keeps_every_object_and_revisions_grow(layout: Layout) -> None:
    with_backend(layout, fill)
    _, first = with_backend(layout, state)
    for to in ("etcd", "sqlite", "etcd"):
        _, before = with_backend(layout, state)
        moved = migrate(layout, to, NOW)
        assert moved.objects == len(OBJECTS) and moved.kept
        contents, revision = with_backend(layout, state)
        assert contents == OBJECTS and revision >= before > 0
        with_backend(layout, lambda backend, at=before: goes_on(backend, at))
    assert with_backend(layout, state)[1] > first


@needs_etcd
def test_sqlite_keeps_revisions_to_the_number(layout: Layout) -> None:
    set_store(layout, "etcd")
    with_backend(layout, fill)

    async def revisions(backend: Backend) -> list[tuple[str, int, int]]:
        found = await backend.range("/registry/")
        return [(kv.key, kv.create_revision, kv.mod_revision) for kv in found.kvs]

    before = with_backend(layout, revisions)
    migrate(layout, "sqlite", NOW)
    assert with_backend(layout, revisions) == before


@needs_etcd
def test_etcd_elsewhere_is_moved_to_and_left_without_a_trace(layout: Layout) -> None:
    with_backend(layout, fill)
    server = EtcdServer().start()
    try:
        migrate(layout, server.url, NOW)
        assert with_backend(layout, state)[0] == OBJECTS
        set_store(layout, "sqlite")
        with pytest.raises(StoreMoveFailed, match="has a store under '/kctl/c' already"):
            migrate(layout, server.url, NOW)
        config = ClusterConfig("c", "fake", server.url, 6443, 0)
        forget(layout, config)
        forget(layout, config)
        migrate(layout, server.url, NOW)
        assert with_backend(layout, state)[0] == OBJECTS
    finally:
        server.remove()


@pytest.mark.parametrize("store", ["sqlite", pytest.param("etcd", marks=needs_etcd)])
def test_restore_brings_back_what_was_and_removes_what_came_since(
    layout: Layout, tmp_path: Path, store: str
) -> None:
    set_store(layout, store)
    with_backend(layout, fill)
    saved = snapshot(layout, tmp_path / "s.db", NOW)
    assert saved.objects == len(OBJECTS)

    async def change(backend: Backend) -> None:
        for n in range(200):
            await backend.put(f"/registry/events/default/e{n}", b"later")
        await backend.delete("/registry/pods/default/p001")
        await backend.put("/registry/pods/default/p002", b"changed")

    with_backend(layout, change)
    _, late = with_backend(layout, state)
    restore(layout, tmp_path / "s.db", NOW)
    contents, revision = with_backend(layout, state)
    assert contents == OBJECTS and revision > late
    with_backend(layout, lambda backend: goes_on(backend, late + 1))


@needs_etcd
def test_snapshot_of_one_store_is_restored_into_another(layout: Layout, tmp_path: Path) -> None:
    with_backend(layout, fill)
    snapshot(layout, tmp_path / "s.db", NOW)
    set_store(layout, "etcd")
    restore(layout, tmp_path / "s.db", NOW)
    assert with_backend(layout, state)[0] == OBJECTS


def test_snapshot_of_a_store_in_use_is_of_one_moment(layout: Layout, tmp_path: Path) -> None:
    async def body(backend: Backend) -> None:
        await fill(backend)
        await asyncio.to_thread(snapshot, layout, tmp_path / "s.db", NOW)

    with_backend(layout, body)
    assert read_sqlite(tmp_path / "s.db").contents() == OBJECTS


def test_damaged_store_is_replaced_from_a_snapshot(layout: Layout, tmp_path: Path) -> None:
    with_backend(layout, fill)
    snapshot(layout, tmp_path / "s.db", NOW)
    (layout.store / "store.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreDamaged):
        with_backend(layout, state)
    kept = restore(layout, tmp_path / "s.db", NOW).kept
    assert Path(kept).read_bytes().startswith(b"rubbish")
    contents, revision = with_backend(layout, state)
    assert contents == OBJECTS and revision > 1_000_000_000


def test_cluster_that_runs_is_refused_by_name_and_left_alone(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_backend(layout, fill)
    snapshot(layout, tmp_path / "s.db", NOW)
    before = (layout.store / "store.db").read_bytes()
    lock = Lock(layout.lock)
    lock.write_pid(4242)

    def options(*args: str, **flags: str) -> Options:
        given = {"cluster": "c", "data_dir": str(layout.root), **dict.fromkeys(FILES, ""), **flags}
        return Options(given, list(args), [], set())

    assert store_migrate.run(options("c", to="sqlite")) == 1
    assert store_restore.run(options(str(tmp_path / "s.db"))) == 1
    told = capsys.readouterr().err
    assert told.count("error: cluster 'c' is running (pid 4242): stop it first, `kctl down c`") == 2
    assert store_snapshot.run(options(str(tmp_path / "t.db"))) == 0
    lock.release()
    assert (layout.store / "store.db").read_bytes() == before


def test_what_is_no_snapshot_is_refused_and_the_store_left_alone(layout: Layout, tmp_path: Path) -> None:
    with_backend(layout, fill)
    for name, content in (("none", None), ("empty", b""), ("text", b"hello" * 500)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(StoreMoveFailed, match=name):
            restore(layout, tmp_path / name, NOW)
    assert with_backend(layout, state)[0] == OBJECTS


@needs_etcd
def test_filling_cut_short_is_told_and_repeated(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    with_backend(layout, fill)
    server = EtcdServer().start()

    async def cut(*_: object) -> None:
        raise OSError("cut short")

    with monkeypatch.context() as broken:
        broken.setattr("standalone.store_dump.end_filling", cut)
        with pytest.raises(OSError, match="cut short"):
            migrate(layout, server.url, NOW)
    config = cluster_config.load(layout)
    assert config is not None and config.store == "sqlite"
    assert with_backend(layout, state)[0] == OBJECTS
    assert migrate(layout, server.url, NOW).objects == len(OBJECTS)
    assert with_backend(layout, state)[0] == OBJECTS
    server.remove()


@pytest.mark.parametrize("store", ["postgres", "ftp://x:1", "http://nowhere", "unix:"])
def test_what_is_no_store_is_refused(store: str) -> None:
    with pytest.raises(ConfigError):
        check_store(store)


def test_etcd_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigError, match="apt-get install etcd-server"):
        check_store("etcd")
