"""A layer's bytes, as a stream of tar members: decompressed, counted, hashed and bounded.

In comes a blob (tar, tar.gz or tar.zst, told by its first bytes, as containerd does, not by its media type);
out come TarInfo members with readers for their contents. `digest()` after the last member is the diff id.
Invariants: memory stays bounded whatever the archive says (one header may not take more than
`HEADER_BYTES`, zstd windows not more than 128 MiB), and every byte to the end of the blob is hashed.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from runtime.cri import ImageFailure
from runtime.images.failures import Stopped, pull_failure

CHUNK = 1 << 16  # tarfile copies what is left of its buffer at every header: larger is slower
HEADER_BYTES = 1 << 20
_ZSTD_WINDOW_LOG_MAX = 27
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class TarStream:
    """Members in order. Read a member's content before asking for the next one."""

    def __init__(self, blob: IO[bytes], *, limit_bytes: int, is_stopped: Callable[[], bool]) -> None:
        self._source = _Counted(decompressed(blob), limit_bytes, is_stopped)
        self._tar: tarfile.TarFile | None = None

    def members(self) -> Iterator[tarfile.TarInfo]:
        self._source.expect_header()
        with tarfile.open(
            fileobj=self._source,
            mode="r|",
            bufsize=CHUNK,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            self._tar = tar
            while (member := tar.next()) is not None:
                self._source.expect_content()
                yield member
                setattr(tar, "members", [])  # noqa: B010  # a stream of a million members stays small
                self._source.expect_header()
        self._source.expect_content()
        while self._source.read(CHUNK):
            pass

    def content(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        assert self._tar is not None
        if member.size == 0:
            return
        reader = self._tar.extractfile(member)
        assert reader is not None
        left = member.size
        while left > 0:
            chunk = reader.read(min(CHUNK, left))
            if not chunk:
                raise EOFError(f"{member.name!r} ends {left} bytes early")
            left -= len(chunk)
            yield chunk

    def digest(self) -> str:
        return f"sha256:{self._source.hasher.hexdigest()}"


def decompressed(blob: IO[bytes]) -> Readable:
    head = blob.read(4)
    rest = _Joined(head, blob)
    if head.startswith(_GZIP):
        return _Gunzip(rest)
    is_skippable_frame = len(head) == 4 and head[1:] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F
    if head == _ZSTD or is_skippable_frame:
        return _Unzstd(rest)
    return rest


class _Joined(io.RawIOBase):
    """The bytes looked at, then the rest."""

    def __init__(self, head: bytes, tail: IO[bytes]) -> None:
        self._head = head
        self._tail = tail

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            taken = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(taken) :]
            if size >= 0:
                return taken
            return taken + self._tail.read()
        return self._tail.read(size)

    def readable(self) -> bool:
        return True


class _Gunzip:
    """gzip with several members and zero padding, in large steps (gzip.GzipFile reads 8 KiB at a time)."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(31)
        self._pending = b""
        self._started = False

    def read(self, size: int = -1, /) -> bytes:
        while True:
            if not self._pending:
                self._pending = self._source.read(CHUNK)
                if not self._pending:
                    if self._started and not self._inflate.eof:
                        raise EOFError("the gzip stream ends early")
                    return b""
            if self._inflate.eof:
                self._pending = self._pending.lstrip(b"\0")
                if not self._pending:
                    continue
                self._inflate = zlib.decompressobj(31)
            self._started = True
            out = self._inflate.decompress(self._pending, max(size, 0))
            self._pending = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if out:
                return out


class _Unzstd:
    """zstd with several and skippable frames; a frame that wants a larger window than the limit is refused."""

    def __init__(self, source: Readable) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX}
        self._new: Callable[[], zstd.ZstdDecompressor] = lambda: zstd.ZstdDecompressor(options=options)
        self._error = zstd.ZstdError
        self._source = source
        self._frame = self._new()
        self._pending = b""
        self._is_inside = False

    def read(self, size: int = -1, /) -> bytes:
        while True:
            if self._frame.eof:
                self._pending = self._frame.unused_data
                self._frame = self._new()
                self._is_inside = False
            if self._frame.needs_input and not self._pending:
                self._pending = self._source.read(CHUNK)
                if not self._pending:
                    if self._is_inside:
                        raise EOFError("the zstd stream ends early")
                    return b""
            self._is_inside = True
            try:
                out = self._frame.decompress(self._pending, max_length=size)
            except self._error as error:
                raise tarfile.ReadError(f"zstd: {error}") from error
            self._pending = b""
            if out:
                return out


class _Counted(io.RawIOBase):
    """Hashes and counts what passes; between members only a header's worth of bytes may pass."""

    def __init__(self, source: Readable, limit_bytes: int, is_stopped: Callable[[], bool]) -> None:
        self._source = source
        self._limit = limit_bytes
        self._is_stopped = is_stopped
        self._total = 0
        self._header_limit: int | None = None
        self.hasher = hashlib.sha256()

    def expect_header(self) -> None:
        # One read ahead of CHUNK bytes is the stream's own buffer.
        self._header_limit = self._total + HEADER_BYTES + 2 * CHUNK

    def expect_content(self) -> None:
        self._header_limit = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._is_stopped():
            raise Stopped
        data = self._source.read(min(size, CHUNK) if size >= 0 else CHUNK)
        self._total += len(data)
        if self._total > self._limit:
            raise pull_failure(f"the layer unpacks to more than the limit of {self._limit} bytes")
        if self._header_limit is not None and self._total > self._header_limit:
            raise ImageFailure(
                "ErrImagePull", f"a header in the layer's tar is larger than {HEADER_BYTES} bytes"
            )
        self.hasher.update(data)
        return data
