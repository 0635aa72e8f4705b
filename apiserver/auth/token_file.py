"""Bearer tokens from a file: `token,user,uid,"group1,group2"` on each line, read once at start."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from apiserver.auth.seams import Credentials
from apiserver.auth.user import User
from apiserver.auth.x509 import AUTHENTICATED


class TokenFileError(Exception):
    """The file cannot be used; the message names it, the line and what is wrong."""


class TokenFileAuthenticator:
    """Tokens are kept and compared as digests, so that the time a look-up takes tells nothing of them."""

    def __init__(self, users: Iterable[tuple[str, User]]) -> None:
        self._users = {_digest(token): user for token, user in users}

    @classmethod
    def from_file(cls, path: Path) -> TokenFileAuthenticator:
        """Raises TokenFileError."""
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenFileError(f"cannot read the token file {path}: {error}") from error
        return cls(parse_tokens(lines, str(path)))

    async def authenticate(self, credentials: Credentials) -> User | None:
        if not credentials.bearer_token:
            return None
        return self._users.get(_digest(credentials.bearer_token))


def parse_tokens(lines: Iterable[str], where: str) -> list[tuple[str, User]]:
    found = []
    for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) < 3 or not row[0] or not row[1]:
            raise TokenFileError(f'{where}, line {number}: expected token,user,uid[,"group1,group2"]')
        groups = [group.strip() for group in row[3].split(",") if group.strip()] if len(row) > 3 else []
        found.append((row[0], User(row[1], (*groups, AUTHENTICATED), row[2])))
    return found


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
