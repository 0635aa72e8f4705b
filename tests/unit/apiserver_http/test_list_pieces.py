"""A list's JSON in kept pieces: the same as joining every object, after any history of writes, plain and compressed."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.http.compress import Compressor, Packed, gzip_of
from apiserver.http.reply import Reply, send_reply
from apiserver.storage.blocks import SPLIT_ABOVE, Blocks, Lists
from apiserver.storage.store import Entry, Piece

END = "\U0010ffff"


def entry(key, revision=1):
    namespace, _, name = key.rpartition("/")
    return Entry(key, namespace, name, revision, b'{"k":"%b","r":%d}' % (key.encode(), revision), {}, {})


def text(pieces):
    return b"".join(piece.data for piece in pieces)


def expected(entries, prefix):
    return b",".join(entries[key].data for key in sorted(entries) if key.startswith(prefix))


KEYS = st.integers(0, 400).map(lambda n: f"/p/{'abc'[n % 3]}/{n:03}")


@settings(max_examples=60)
@given(st.lists(KEYS, unique=True), st.lists(st.tuples(KEYS, st.booleans()), max_size=300))
def test_pieces_are_the_objects_in_order_after_any_writes(first, writes):
    entries = {key: entry(key) for key in first}
    lists = Lists()
    lists.pieces(entries, sorted(entries), "/p/", "/p/" + END)
    for revision, (key, gone) in enumerate(writes, 2):
        before = entries.get(key)
        after = None if gone else entry(key, revision)
        if before is None and after is None:
            continue
        if after is None:
            del entries[key]
        else:
            entries[key] = after
        lists.apply(key, before, after)
        if revision % 7 == 0:
            assert text(lists.pieces(entries, (), "/p/", "/p/" + END)) == expected(entries, "/p/")
    for prefix in ("/p/", "/p/a/", "/p/b/", "/p/c/", "/p/d/"):
        pieces = lists.pieces(entries, (), prefix, prefix + END)
        assert text(pieces) == expected(entries, prefix)
        packed = [Piece(piece.data) for piece in pieces]
        for piece in packed:
            piece.packed = Packed(piece.data)
        assert gzip.decompress(gzip_of(packed)) == expected(entries, prefix)


def test_write_replaces_one_piece_and_leaves_the_others():
    entries = {key: entry(key) for key in (f"/p/a/{n:05}" for n in range(2000))}
    blocks = Blocks(sorted(entries))
    before = blocks.pieces(entries, "/p/", "/p/" + END)
    assert len(before) > 2000 / SPLIT_ABOVE
    key = "/p/a/01000"
    entries[key] = entry(key, 2)
    blocks.change(key)
    after = blocks.pieces(entries, "/p/", "/p/" + END)
    assert sum(old is not new for old, new in zip(before, after, strict=True)) == 1


def test_blocks_stay_small_while_keys_come_in_order():
    blocks = Blocks(())
    for n in range(5000):
        blocks.add(f"/p/{n:05}")
    entries = {key: entry(key) for key in (f"/p/{n:05}" for n in range(5000))}
    assert text(blocks.pieces(entries, "", END)) == expected(entries, "")
    assert max(
        len(orjson.loads(b"[" + p.data.lstrip(b",") + b"]")) for p in blocks.pieces(entries, "", END)
    ) <= (SPLIT_ABOVE)


def test_blocks_nobody_lists_are_dropped():
    lists = Lists()
    entries = {"/p/a": entry("/p/a")}
    lists.pieces(entries, ["/p/a"], "/p/", "/p/" + END)
    lists.drop_unused()
    kept = lists.pieces(entries, (), "/p/", "/p/" + END)
    assert text(kept) == entries["/p/a"].data
    lists.drop_unused()
    lists.drop_unused()
    assert lists.pieces({}, (), "/p/", "/p/" + END) == []


def test_compressed_pieces_are_one_gzip_member_and_kept():
    async def main():
        pieces = [Piece(b'{"items":['), Piece(b"x" * 300_000), Piece(bytes(range(256)) * 999), Piece(b"]}")]
        compressor = Compressor()
        first = await compressor.compressed(Reply(200, b"", pieces=pieces))
        kept = [piece.packed for piece in pieces]
        again = await compressor.compressed(Reply(200, b"", pieces=pieces))
        assert [piece.packed for piece in pieces] == kept
        assert first.body == again.body
        one = zlib.decompressobj(16 + zlib.MAX_WBITS)
        assert one.decompress(first.body) == text(pieces)
        assert one.eof
        assert not one.unused_data
        assert (b"content-encoding", b"gzip") in first.headers

    asyncio.run(main())


def test_pieces_go_out_whole_and_in_order():
    sent = []

    async def send(message):
        sent.append(message)

    big = Piece(b"y" * 100_000)
    pieces = [Piece(b"["), big, Piece(b",1"), Piece(b",2"), Piece(b"z" * 700_000), Piece(b"]")]
    asyncio.run(send_reply(send, Reply(200, b"", pieces=pieces), []))
    start, *bodies = sent
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(text(pieces))
    assert b"".join(m["body"] for m in bodies) == text(pieces)
    assert any(m["body"] is big.data for m in bodies)
    assert [m["more_body"] for m in bodies] == [True] * (len(bodies) - 1) + [False]
