"""Moving a stopped cluster's objects: to another store, to a snapshot file, and back from one.

What is moved is compared with what was read, object for object, before the cluster is told to use it. Revisions never
go back: a store that takes over goes on behind the newest revision that clients can know, and whoever comes with an older
one is told to list again.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from apiserver.backends.backend import StoreUnavailable
from apiserver.backends.sqlite_file import StoreDamaged
from standalone import config as cluster_config
from standalone.config import ClusterConfig
from standalone.layout import Layout
from standalone.store_dump import (
    Dump,
    is_filled,
    read_etcd,
    read_sqlite,
    remove_etcd,
    write_etcd,
    write_sqlite,
)
from standalone.store_etcd import OWN, check_store, directory, etcd_address, is_etcd, running_etcd
from standalone.supervisor import AlreadyRunning, Lock, running_pid

# What a damaged store's newest revision may have been beyond the snapshot's: nobody can read it any more.
_LEAP = 1_000_000_000


class StoreMoveFailed(Exception):
    """The objects were not moved; str() says why, and that the cluster is as it was, or what to do."""


@dataclass(frozen=True, slots=True)
class Moved:
    objects: int
    revision: int  # the newest that was read
    kept: str  # where the old store still is; "" where nothing is left of it


def migrate(layout: Layout, to: str, now: float, etcd_tls: tuple[str, str, str] = ("", "", "")) -> Moved:
    """Raises StoreMoveFailed, ConfigError, StoreUnavailable."""
    with _stopped(layout) as config:
        check_store(to)
        if config.store == to:
            raise StoreMoveFailed(f"cluster {config.name!r} keeps its objects in {to} already")
        if "memory" in (config.store, to):
            raise StoreMoveFailed("a store in memory ends with its process: there is nothing to move")
        if config.apiservers > 1 and not is_etcd(to):
            raise StoreMoveFailed(
                f"cluster {config.name!r} has {config.apiservers} API servers, which cannot share {to}: bring it up once "
                f"with `kctl up {config.name} --apiservers 1`, then stop it and repeat this"
            )
        target = replace(config, store=to, etcd_tls=etcd_tls)
        dump = _read(layout, config)
        if to == OWN:
            shutil.rmtree(directory(layout), ignore_errors=True)
        elif is_etcd(to) and is_filled(etcd_address(layout, target)):
            raise StoreMoveFailed(
                f"etcd at {to} has a store under {etcd_address(layout, target).prefix!r} already: "
                "it may be another cluster's of this name"
            )
        _write(layout, target, dump, dump.head, now)
        cluster_config.save(layout, target)
        return Moved(len(dump.kvs), dump.head, _place(layout, config))


def snapshot(layout: Layout, file: Path, now: float) -> Moved:
    """Also of a cluster that runs: all objects as of one moment. Raises StoreMoveFailed, StoreUnavailable."""
    config = _described(layout)
    if config.store == "memory":
        raise StoreMoveFailed("a store in memory cannot be read from outside")
    if not file.absolute().parent.is_dir():
        raise StoreMoveFailed(f"there is no directory {file.absolute().parent}")
    dump = _read(layout, config, is_running=running_pid(layout) is not None)
    write_sqlite(file, dump, 0, now)
    return Moved(len(dump.kvs), dump.head, "")


def restore(layout: Layout, file: Path, now: float) -> Moved:
    """Every object becomes what it was; one made since is gone. Raises StoreMoveFailed, StoreUnavailable."""
    with _stopped(layout) as config:
        if config.store == "memory":
            raise StoreMoveFailed("a store in memory ends with its process: there is nothing to restore into")
        try:
            dump = read_sqlite(file)
        except (FileNotFoundError, StoreUnavailable) as error:
            raise StoreMoveFailed(f"{file} cannot be restored: {error}") from error
        floor, kept = dump.head + 1, ""
        if config.store == "sqlite" and _sqlite(layout).exists():
            try:
                floor = max(floor, read_sqlite(_sqlite(layout)).head + 1)
            except StoreDamaged:
                floor += _LEAP
            kept = _keep_sqlite(layout)
        _write(layout, config, dump, floor, now)
        return Moved(len(dump.kvs), dump.head, kept)


def _described(layout: Layout) -> ClusterConfig:
    config = cluster_config.load(layout)
    if config is None:
        raise StoreMoveFailed(f"there is no cluster at {layout.root}")
    return config


@contextlib.contextmanager
def _stopped(layout: Layout) -> Iterator[ClusterConfig]:
    """The cluster, which cannot be started meanwhile."""
    config = _described(layout)
    layout.make()
    try:
        lock = Lock(layout.lock)
    except AlreadyRunning as running:
        raise StoreMoveFailed(
            f"cluster {config.name!r} is running (pid {running.pid}): stop it first, `kctl down {config.name}`"
        ) from None
    try:
        yield config
    finally:
        lock.release()


def _read(layout: Layout, config: ClusterConfig, *, is_running: bool = False) -> Dump:
    if config.store == "sqlite":
        try:
            return read_sqlite(_sqlite(layout))
        except FileNotFoundError:
            return Dump(0, ())  # never started
    address = etcd_address(layout, config)
    with _reachable(layout, config, is_running=is_running):
        return read_etcd(address) or Dump(0, ())


def _write(layout: Layout, config: ClusterConfig, dump: Dump, floor: int, now: float) -> None:
    """Writes, reads it all again and compares."""
    if config.store == "sqlite":
        write_sqlite(_sqlite(layout), dump, floor, now)
        written = read_sqlite(_sqlite(layout))
    else:
        address = etcd_address(layout, config)
        with _reachable(layout, config):
            write_etcd(address, dump, floor)
            written = read_etcd(address) or Dump(0, ())
    if written.contents() != dump.contents() or written.head < floor:
        raise StoreMoveFailed(f"what was written to {config.store} is not what was read")


def _reachable(
    layout: Layout, config: ClusterConfig, *, is_running: bool = False
) -> contextlib.AbstractContextManager[None]:
    if config.store == OWN and not is_running:
        return running_etcd(layout)
    return contextlib.nullcontext()


def _sqlite(layout: Layout) -> Path:
    return layout.store / "store.db"


def _keep_sqlite(layout: Layout) -> str:
    """A copy of the store as it is now, to go back to by hand."""
    copy = layout.store / "before-restore.db"
    for end in ("", "-wal"):
        source = _sqlite(layout).with_name("store.db" + end)
        target = copy.with_name(copy.name + end)
        target.unlink(missing_ok=True)
        if source.exists():
            shutil.copyfile(source, target)
            target.chmod(0o600)
    return str(copy)


def _place(layout: Layout, config: ClusterConfig) -> str:
    if config.store == "sqlite":
        return str(_sqlite(layout)) if _sqlite(layout).exists() else ""
    if config.store == OWN:
        return str(directory(layout))
    return f"{config.store}, under {etcd_address(layout, config).prefix}"


def forget(layout: Layout, config: ClusterConfig) -> None:
    """Removes what the cluster keeps outside of its directory. Raises StoreUnavailable."""
    if is_etcd(config.store) and config.store != OWN:
        remove_etcd(etcd_address(layout, config))
