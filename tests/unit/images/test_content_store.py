"""Blobs by digest: what is there is right, and what is not right is not there."""

import hashlib
import io
import os
import threading

import pytest

from runtime.cri import ImageFailure
from runtime.images.atomic import write_unsynced
from runtime.images.content import ContentStore, digest_of

DATA = b"some layer" * 1000


@pytest.fixture
def store(tmp_path):
    store = ContentStore(tmp_path)
    store.create()
    return store


def partials(store):
    return sorted(os.listdir(store.root / "ingest"))


def test_committed_blob_is_found_under_its_digest(store):
    digest = digest_of(DATA)
    with store.ingest(digest, len(DATA)) as ingest:
        ingest.write(DATA[:100])
        assert not store.has(digest)
        ingest.write(DATA[100:])
        ingest.commit()
    assert store.read(digest, 1 << 20) == DATA
    assert store.digests() == [digest]
    assert partials(store) == []


def test_blob_with_sha512_is_verified_too(store):
    digest = "sha512:" + hashlib.sha512(DATA).hexdigest()
    with store.ingest(digest, len(DATA)) as ingest:
        ingest.write(DATA)
        ingest.commit()
    assert store.read(digest, 1 << 20) == DATA


def test_wrong_content_is_refused_and_removed(store):
    digest = digest_of(DATA)
    with pytest.raises(ImageFailure), store.ingest(digest, len(DATA)) as ingest:
        ingest.write(DATA[:-1] + b"!")
        ingest.commit()
    assert not store.has(digest)
    assert partials(store) == []


def test_more_content_than_said_is_refused_while_written(store):
    with (
        pytest.raises(ImageFailure, match="larger than the 10 bytes"),
        store.ingest(digest_of(DATA), 10) as ingest,
    ):
        ingest.write(DATA)
    assert partials(store) == []


def test_interrupted_blob_is_taken_up(store):
    digest = digest_of(DATA)
    with pytest.raises(KeyboardInterrupt), store.ingest(digest, len(DATA)) as ingest:
        ingest.write(DATA[:300])
        raise KeyboardInterrupt
    with store.ingest(digest, len(DATA)) as ingest:
        assert ingest.offset == 300
        ingest.write(DATA[300:])
        ingest.commit()
    assert store.has(digest)


def test_present_blob_needs_no_writer(store):
    digest = store.put(DATA)
    with store.ingest(digest, len(DATA)) as ingest:
        assert ingest is None


def test_second_writer_waits_and_finds_the_blob(store):
    digest = digest_of(DATA)
    found = []
    with store.ingest(digest, len(DATA)) as ingest:

        def second():
            with store.ingest(digest, len(DATA)) as other:
                found.append(other)

        thread = threading.Thread(target=second)
        thread.start()
        ingest.write(DATA)
        assert found == []
        ingest.commit()
    thread.join(10)
    assert found == [None]


def test_name_that_is_no_digest_opens_no_file(store):
    for name in ("sha256:../../etc/passwd", "md5:" + "0" * 32, "", "sha256:" + "A" * 64):
        with pytest.raises(ImageFailure):
            store.path(name)


def test_local_stream_is_added_and_bounded(store):
    digest, size = store.add_stream(io.BytesIO(DATA), 1 << 20)
    assert (digest, size) == (digest_of(DATA), len(DATA))
    with pytest.raises(ImageFailure, match="limit"):
        store.add_stream(io.BytesIO(DATA), 10)
    with pytest.raises(ImageFailure, match="expected"):
        store.add_stream(io.BytesIO(b"other"), 100, digest)
    assert partials(store) == []


def test_blob_that_rotted_is_not_read(store):
    digest = store.put(DATA)
    store.path(digest).write_bytes(b"rotten")
    with pytest.raises(ImageFailure, match="has the digest"):
        store.read(digest, 1 << 20)


def test_old_partials_go_and_fresh_ones_stay(store):
    for name, age in (("a" * 64 + ".partial", 100.0), ("b" * 64 + ".partial", 5000.0), ("x.import", 5000.0)):
        path = store.root / "ingest" / name
        path.write_bytes(b"x")
        os.utime(path, (age, age))
    store.clean_partials(before_epoch_s=1000.0)
    assert partials(store) == ["b" * 64 + ".partial"]


def test_file_that_a_full_disk_takes_in_part_does_not_replace_the_old(tmp_path, monkeypatch):
    path, write = tmp_path / "lease.json", os.write
    write_unsynced(path, b'{"old": 1}')
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
        with pytest.raises(OSError, match="No space left"):
            write_unsynced(path, b'{"new": 2}')
    assert path.read_bytes() == b'{"old": 1}'
    write_unsynced(path, b"{}")
    assert path.read_bytes() == b"{}"
