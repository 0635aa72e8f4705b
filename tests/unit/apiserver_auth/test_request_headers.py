"""Whom the headers of a proxy name."""

from __future__ import annotations

import pytest

from apiserver.auth.request_headers import HeaderNames, named_by
from apiserver.auth.user import User

NAMES = HeaderNames(
    ("X-Remote-User", "X-Other-User"), ("X-Remote-Uid",), ("X-Remote-Group",), ("X-Remote-Extra-",)
)
KNOWN = "system:authenticated"


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ([(b"x-remote-user", b"jane")], User("jane", (KNOWN,))),
        ([(b"X-REMOTE-USER", b"jane"), (b"x-remote-uid", b"42")], User("jane", (KNOWN,), "42")),
        ([(b"x-remote-user", b""), (b"x-other-user", b"joe")], User("joe", (KNOWN,))),
        ([(b"x-remote-user", b"jane"), (b"x-remote-user", b"root")], User("jane", (KNOWN,))),
        (
            [(b"x-remote-user", "zoë".encode()), *[(b"x-remote-group", each) for each in (b"a", b"", b"b", b"a")]],
            User("zoë", ("a", "b", KNOWN)),
        ),
        (
            [
                (b"x-remote-user", b"jane"),
                (b"x-remote-extra-example.com%2Fscope", b"1"),
                (b"x-remote-extra-example.com%2fscope", b"2"),
            ],
            User("jane", (KNOWN,), extra={"example.com/scope": ["1", "2"]}),
        ),
        ([(b"x-remote-group", b"system:masters")], None),
        ([], None),
    ],
)  # fmt: skip
def test_headers_name_a_user(headers: list[tuple[bytes, bytes]], user: User | None) -> None:
    assert named_by(headers, NAMES) == user


def test_headers_that_are_not_configured_mean_nothing() -> None:
    headers = [(b"x-remote-user", b"jane"), (b"x-remote-group", b"system:masters"), (b"x-remote-uid", b"1")]
    assert named_by(headers, HeaderNames(("x-remote-user",))) == User("jane", (KNOWN,))
