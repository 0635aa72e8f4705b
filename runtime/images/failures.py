"""From what the machine says to what a person can act on: one place where errors become ImageFailure.

`failing(doing, where)` wraps a piece of work: an OSError for a full disk names the file system, a damaged
archive says so, an ImageFailure passes as it is. Nothing else may leave the image code as OSError.
"""

from __future__ import annotations

import contextlib
import errno
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from runtime.cri import ImageFailure

PULL_FAILED = "ErrImagePull"
NOT_FOUND = "ImageNotFound"
UNAVAILABLE = "RegistryUnavailable"
UNUSABLE_STORE = "ImageStoreUnusable"

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Stopped(Exception):
    """The work was given up because its caller no longer wants it. Never shown to a user."""


def pull_failure(message: str) -> ImageFailure:
    return ImageFailure(PULL_FAILED, message)


def is_disk_full(error: OSError) -> bool:
    return error.errno in _FULL


@contextlib.contextmanager
def failing(doing: str, where: Path, reason: str = PULL_FAILED) -> Iterator[None]:
    """`doing` completes "...": `unpacking layer sha256:...`. `where` is the directory written to."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise ImageFailure(reason, f"{doing}: no space left on the file system of {where}") from error
        at = f" ({error.filename!r})" if error.filename else ""
        raise ImageFailure(reason, f"{doing}: {error.strerror or error}{at}") from error
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise ImageFailure(reason, f"{doing}: the archive is damaged: {error}") from error
