"""What resourceVersion, resourceVersionMatch, limit and continue mean together.

Pure. In: the query's strings. Out: a frozen ListOptions the verbs can act on, or BadRequest / Invalid.
Source: Kubernetes API concepts, "Resource versions" and "Retrieving large results sets in chunks".

    resourceVersion   match          list                            watch
    ""                               newest                          everything, then changes
    "0"                              whatever memory holds, whole    the same
    N                                at least N (with limit: at N)   changes after N
    N                 NotOlderThan   at least N                      (sendInitialEvents) at least N, then changes
    N                 Exact          at N                            refused
"""

from __future__ import annotations

import base64
import posixpath
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.engine.query import Query
from machinery import integers
from machinery.errors import BadRequest, Cause, Expired, Timeout, invalid

ANY = -1  # instead of a revision: what memory holds is new enough
_SHOWN = 100  # characters of a value that is refused
_TOKEN_VERSION = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class ListOptions:
    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    exact: int = 0  # answer as of this revision
    at_least: int = 0  # answer at least this new; ANY
    start_key: str = ""  # where the page begins, relative to the store's own keys
    inconsistent: bool = False  # a continuation at the newest revision, after the first was compacted


@dataclass(frozen=True, slots=True)
class WatchOptions:
    label_selector: str = ""
    field_selector: str = ""
    from_revision: int = 0  # with `initial` also ANY
    initial: bool = False  # begin with what exists
    initial_end: bool = False  # and say where that ends
    bookmarks: bool = False
    timeout_s: float | None = None


def parse_revision(text: str) -> int:
    if not text:
        return 0
    number = integers.parse(text, integers.UINT64) if text[0] not in "+-" else None
    if number is None:
        shown = _shown(text)
        fault = integers.go_fault(text, signed=False)
        raise BadRequest(
            f'resourceVersion: Invalid value: "{shown}": strconv.ParseUint: parsing "{shown}": {fault}'
        )
    return number


def _listed_revision(text: str) -> int:
    try:
        return parse_revision(text)
    except BadRequest as error:
        raise BadRequest(f"invalid resource version: {error.message}") from None


def parse_int(query: Query, key: str) -> int:
    text = query.get(key, "")
    if not text:
        return 0
    number = integers.parse(text)
    if number is None:
        raise BadRequest(f'strconv.ParseInt: parsing "{_shown(text)}": {integers.go_fault(text)}')
    return number


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def parse_list(query: Query) -> ListOptions:
    if not query:
        return _PLAIN
    revision, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    token, limit = query.get("continue", ""), parse_int(query, "limit")
    parse_int(query, "timeoutSeconds")
    _refuse(_wrong_with_list(match, revision, token, query.get("sendInitialEvents")))
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    if token:
        if revision and revision != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        at, start = decode_token(token)
        return ListOptions(labels, fields, limit, max(at, 0), 0, start, at < 0)
    asked = _listed_revision(revision)
    if match == "Exact" or (asked and limit and not match):
        return ListOptions(labels, fields, limit, exact=asked)
    at_least = _any_or(asked, revision)
    # What memory holds is given whole: upstream's watch cache knows no pages of it.
    return ListOptions(labels, fields, 0 if at_least == ANY else limit, at_least=at_least)


_PLAIN = ListOptions()


def _any_or(asked: int, text: str) -> int:
    """ "0" is content with what memory holds, also while etcd is lost."""
    return ANY if text and not asked else asked


def parse_watch(query: Query) -> WatchOptions:
    revision, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    bookmarks = query.flag("allowWatchBookmarks")
    timeout_s = float(parse_int(query, "timeoutSeconds")) or None
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    initial = query.get("sendInitialEvents")
    _refuse(_wrong_with_watch(match, query.get("continue", ""), initial))
    asked = parse_revision(revision)
    if initial is None:
        initial_too = asked == 0
        return WatchOptions(
            labels, fields, _any_or(asked, revision), initial_too, False, bookmarks, timeout_s
        )
    begin = query.flag("sendInitialEvents")
    after = _any_or(asked, revision) if begin else asked
    return WatchOptions(labels, fields, after, begin, begin and bookmarks, bookmarks, timeout_s)


def _wrong_with_list(match: str, revision: str, token: str, initial: str | None) -> list[Cause]:
    wrong = []
    if match:
        if not revision:
            wrong.append(_forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if token:
            wrong.append(_forbidden("resourceVersionMatch is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            wrong.append(_unknown(match, '"Exact", "NotOlderThan", ""'))
        if match == "Exact" and revision == "0":
            wrong.append(_forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if initial is not None:
        wrong.append(_forbidden("sendInitialEvents is forbidden for list", "sendInitialEvents"))
    return wrong


def _wrong_with_watch(match: str, token: str, initial: str | None) -> list[Cause]:
    wrong = []
    if initial is not None and match != "NotOlderThan":
        wrong.append(_forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match:
        if initial is None:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            wrong.append(_forbidden(text))
        if match != "NotOlderThan":
            wrong.append(_unknown(match, '"NotOlderThan"'))
        if token:
            wrong.append(_forbidden("resourceVersionMatch is forbidden when continue is provided"))
    return wrong


def encode_token(revision: int, start_key: str) -> str:
    """revision -1: go on at the newest state, the consistent one being gone."""
    body = orjson.dumps({"v": _TOKEN_VERSION, "rv": revision, "start": start_key})
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def decode_token(token: str) -> tuple[int, str]:
    try:
        body: Any = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, revision, start = body["v"], body["rv"], body["start"]
    except (ValueError, TypeError, KeyError):
        raise _invalid_token("encoded data is malformed") from None
    if version != _TOKEN_VERSION:
        raise _invalid_token(f"server does not recognize this encoded version {version}")
    if type(revision) is not int or not -1 <= revision <= integers.INT64[1] or not revision:
        raise _invalid_token(f"incorrect encoded start resourceVersion (version {version})")
    if not isinstance(start, str) or not start:
        raise _invalid_token(f"encoded start key empty (version {version})")
    if posixpath.normpath("/" + start.removeprefix("/")) != "/" + start.removeprefix("/").removesuffix("/"):
        raise _invalid_token(_shown(start))
    return revision, start


def _invalid_token(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {why}")


def refuse_old(revision: int, oldest: int) -> Expired:
    return Expired(f"too old resource version: {revision} ({oldest})")


def refuse_token(start_key: str) -> Expired:
    return Expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of "
        "the results. Continuing with the provided token results in an inconsistent list - objects that were "
        "created, modified, or deleted between the time the first chunk was returned and now may show up in the "
        "list.",
        continue_token=encode_token(-1, start_key),
    )


def refuse_future(asked: int, current: int) -> Timeout:
    return Timeout(
        f"Too large resource version: {asked}, current: {current}",
        causes=[Cause("ResourceVersionTooLarge", "Too large resource version")],
        retry_after_s=1,
    )


def _forbidden(text: str, field: str = "resourceVersionMatch") -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {text}", field)


def _unknown(match: str, known: str) -> Cause:
    text = f'Unsupported value: "{match}": supported values: {known}'
    return Cause("FieldValueNotSupported", text, "resourceVersionMatch")


def _refuse(wrong: list[Cause]) -> None:
    if wrong:
        raise invalid("meta.k8s.io", "ListOptions", "", wrong)
