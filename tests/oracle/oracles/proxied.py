"""What a proxy makes of an answer: links of pages, Location, headers. Asked of apimachinery's proxy transport.

Upstream writes every tag of a page anew, we only the links' values: both pages are compared by what they say (`_said`), read by our
reader of tags, which must agree with upstream's on where tags begin. A tag that the page ends within is left out by upstream, and
passes here.
"""

from __future__ import annotations

import base64
import gzip
import random
import re
import zlib
from collections.abc import Iterator

from oracles.process import Answer, Ask, Request

from apiserver.http.html_attributes import unescaped
from apiserver.http.html_links import RAW_END, SCRIPT, after_script
from apiserver.http.rewriting import BadLocation, Through, plan_rewriting

_PREFIX = "/api/v1/namespaces/n/pods/p/proxy"
_HOSTS = ("", "10.0.0.1:80", "asked.example", "other.example", "10.0.0.1", "[::1]:80", "ü", "a b")
_TAGS = ("a", "A", "img", "IMG", "link", "form", "script", "style", "title", "textarea", "body", "video", "input", "object", "p", "b1",
         "plaintext", "noscript", "iframe", "html", "button", "x" * 70, "a:b", "abbr")  # fmt: skip
_KEYS = (
    "href",
    "HREF",
    "src",
    "action",
    "alt",
    "poster",
    "usemap",
    "data",
    "formaction",
    "=",
    "x=",
    "cite",
    "longdesc",
    "hrefs",
)
_NAME = re.compile(rb"[^ \n\r\t\f/>]+")
_KEY = re.compile(rb"=?[^= \n\r\t\f/>]*")
_EQUALS = re.compile(rb"[ \n\r\t\f]*=[ \n\r\t\f]*")
_SPACE = re.compile(rb"[ \n\r\t\f]*")
_VALUE = re.compile(rb"""'([^']*)'|"([^"]*)"|()(?=>)|([^'"> \n\r\t\f][^> \n\r\t\f]*)""")
_SCRIPTS = ("<!--", "-->", "<script>", "</script>", "<SCRIPT ", "</scrip", "--", "<", ">", "<a href='/s'>", "<!-", "-", "/", "x", "</script/",
            "<scriptx>", "<!-->", "<!--<script>")  # fmt: skip


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    for _ in range(4):
        request = _page(rng) if rng.random() < 0.75 else _redirect(rng)
        yield request, ask(request)


def _request(rng: random.Random, headers: dict[str, str], body: bytes, status: int = 200) -> Request:
    return {
        "fn": "proxied",
        "url": "http://10.0.0.1:80/" + rng.choice(("", "a", "a/", "a/b%20c", "a/b/")),
        "asked_host": "asked.example",
        "prepend": _PREFIX,
        "status": status,
        "headers": headers,
        "body": base64.b64encode(body).decode(),
    }


def _redirect(rng: random.Random) -> Request:
    headers = {"Location": _address(rng), "Content-Type": "text/html", "Access-Control-Allow-Origin": "*"}
    return _request(rng, headers, b"<a href='/moved'>", rng.choice((301, 302, 201, 200)))


def _page(rng: random.Random) -> Request:
    kind = rng.choice(
        ("text/html",) * 6 + ("text/html; charset=utf-8", "text/html ;x", "Text/HTML", "text/plain", "")
    )
    headers = {"Content-Type": kind} if kind else {}
    body = "".join(_markup(rng) for _ in range(rng.randint(1, 8))).encode("utf-8", "surrogateescape")
    match rng.randint(0, 9):
        case 0:
            headers["Content-Encoding"], body = (
                "gzip",
                gzip.compress(body, mtime=0) + gzip.compress(b"<a href='/2'>", mtime=0),
            )
        case 1:
            packer = zlib.compressobj(wbits=-15)
            headers["Content-Encoding"], body = "deflate", packer.compress(body) + packer.flush()
        case 2:
            headers["Content-Encoding"] = rng.choice(("br", "identity"))
    return _request(rng, headers, body)


def _markup(rng: random.Random) -> str:
    match rng.randint(0, 9):
        case 0:
            return rng.choice(
                (
                    "text",
                    " & <",
                    "< a href='/n'>",
                    "<>",
                    "</>",
                    "</ x>",
                    "<?x <a href='/n'>",
                    "<!x>",
                    "<!>",
                    "ü\udcff",
                    "&lt;a>",
                )
            )
        case 1:
            return rng.choice(
                (
                    "<!doctype html>",
                    "<!--",
                    "<!-->",
                    "<!--->",
                    "-->",
                    "--!>",
                    "<!--a--!>",
                    "<!-- <a href='/n'> -->",
                    "<!---",
                    "<!--x--!-",
                )
            )
        case 2:
            return "<script>" + "".join(rng.choice(_SCRIPTS) for _ in range(rng.randint(1, 6))) + "</script>"
        case 3:
            return rng.choice(
                (
                    "</title>",
                    "</style >",
                    "</TEXTAREA/>",
                    "</script>",
                    "</iframe>",
                    "</noscript",
                    "</a href='>'>",
                    "</p>",
                    "<![CDATA[x]]>",
                )
            )
        case _:
            return _tag(rng)


def _tag(rng: random.Random) -> str:
    out = "<" + rng.choice(_TAGS)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        out += rng.choice((" ", " ", "\n", "/", "\t ")) + rng.choice(_KEYS)
        quote = rng.choice(('"', '"', "'", ""))
        value = escaped_some(rng, _address(rng))
        if quote == '"':
            value = value.replace('"', "&quot;")
        out += rng.choice(("=", "=", "=", " = ", "", "=\n")) + quote + value + quote
    return out + rng.choice((">", ">", "/>", " />", "/ >", "> "))


def escaped_some(rng: random.Random, address: str) -> str:
    return address.replace("&", rng.choice(("&", "&amp;", "&#38;", "&#x26;", "&amp"))).replace(
        "'", rng.choice(("&apos;", "&#39;"))
    )


def _address(rng: random.Random) -> str:
    host = rng.choice(_HOSTS)
    scheme = rng.choice(("http://", "https://", "//", "http://", "ftp://", "http://u:p@", "//u@")) if host else rng.choice(
        ("",) * 12 + ("http:", "mailto:", "data:", "http://", "//", "javascript:", ":"))  # fmt: skip
    path = "".join(
        rng.choice(
            (
                "/",
                "/",
                "/a",
                "/b c",
                "/../",
                "/./",
                "//",
                "x",
                "%2f",
                "%zz",
                "<",
                "é",
                "/a.html",
                _PREFIX,
                ":",
                "%41",
                "[",
                "*",
                "'",
                "|",
                "/;,@=&",
            )
        )
        for _ in range(rng.randint(0, 4))
    )
    path = path if not path or rng.random() < 0.3 else "/" + path
    if host:  # a second colon is a host's to old Go, and to new where it is told so
        path = path.lstrip(":")
    query = rng.choice(
        ("", "", "", "?", "?a=b&c=d", "?a?b", "? ", "?&copy=1&copy;&lt&notit;&#0;&#128;&#x110000;&")
    )
    return scheme + host + path + query + rng.choice(("", "", "", "#", "#f", "#<f>%20", "#%zz", "#a'b"))


def ours(request: Request) -> Answer:
    headers = {name.lower(): value.encode().decode("latin-1") for name, value in request["headers"].items()}
    through = Through(request["prepend"], request["asked_host"], "10.0.0.1:80")
    try:
        plan = plan_rewriting(headers, through)
    except BadLocation as error:
        return {"error": str(error)}
    body = base64.b64decode(request["body"])
    if plan.body is not None:
        whole = plan_rewriting(headers, through).body
        assert whole is not None
        at_once = b"".join(whole.feed(body)) + whole.rest()
        pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
        body = b"".join(b"".join(plan.body.feed(piece)) for piece in pieces) + plan.body.rest()
        packing = plan.headers.get("content-encoding", "")
        if _unpacked(body, packing) != _unpacked(at_once, packing):
            return {"error": "other in pieces than at once"}
    return {"out": {"headers": plan.headers, "body": base64.b64encode(body).decode()}}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if "out" not in theirs or "out" not in mine:
        return "" if ("out" in theirs) == ("out" in mine) else f"theirs {theirs}\n mine {mine}"
    told = {k.lower(): v[0].encode().decode("latin-1") for k, v in theirs["out"]["headers"].items()}
    for headers in (told, mine["out"]["headers"]):
        headers.pop(
            "access-control-allow-origin", None
        )  # of which upstream's transport knows nothing: the proxy around it takes it out
    if told != mine["out"]["headers"]:
        return f"theirs {told}\n mine {mine['out']['headers']}"
    packing = told.get("content-encoding", "")
    their_page, my_page = (
        _unpacked(base64.b64decode(each["out"]["body"]), packing) for each in (theirs, mine)
    )
    if their_page == my_page:
        return ""
    their_page, my_page = _said(their_page), _said(my_page)
    return "" if their_page == my_page else f"theirs {their_page!r}\n mine {my_page!r}"


def _unpacked(body: bytes, packing: str) -> bytes:
    if packing == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body, -15) if packing == "deflate" else body


def _said(page: bytes) -> list[object]:
    """The page as runs of bytes and tags (name, {attribute: value}), read whole."""
    out: list[object] = []
    at = since = 0
    while (at := page.find(b"<", at)) >= 0:
        if not page[at + 1 : at + 2].isalpha():
            past = _past_other(page, at)
            if past < 0:
                break
            at = past
            continue
        tag = _start_tag(page, at)
        if tag is None:  # the page ends within it
            break
        out += [page[since:at], tag[:2]]
        at = since = tag[2]
        at = _past_raw(page, at, tag[0])
        if at < 0:
            break
    rest = page[since:] if at < 0 else page[since:at]
    return [each for each in (*out, rest) if each != b""]


def _past_other(page: bytes, at: int) -> int:
    """Past an end tag, a comment or a lonely angle; -1 where the page ends within an end tag."""
    after = page[at + 1 : at + 4]
    if after == b"!--":
        found = re.compile(rb"-?>").match(page, at + 4) or re.compile(rb"--!?>").search(page, at + 4)
    elif after[:1] == b"/" and after[1:2].isalpha():
        tag = _start_tag(page, at + 1)
        return -1 if tag is None else tag[2]
    elif after[:1] in (b"!", b"?", b"/") and after[:1]:
        found = re.compile(rb">").search(page, at + 2)
    else:
        return at + 1
    return found.end() if found else len(page)


def _start_tag(page: bytes, at: int) -> tuple[bytes, dict[bytes, str], int] | None:
    name = _NAME.match(page, at + 1)
    assert name is not None
    at = name.end()
    pairs: dict[bytes, str] = {}
    while (at := _SPACE.match(page, at).end()) < len(page) and page[at : at + 1] != b">":
        key = _KEY.match(page, at)
        at = key.end()
        value = b""
        if equals := _EQUALS.match(page, at):
            found = _VALUE.match(page, equals.end())
            if found is None:
                return None
            at, value = found.end(), found[found.lastindex]
        elif page[(slash := _SPACE.match(page, at).end()) : slash + 1] == b"/":
            at = slash + 1
        if key[0]:
            pairs.setdefault(key[0].lower(), unescaped(value))
    if at >= len(page):
        return None
    return name[0].lower(), pairs, at + 1


def _past_raw(page: bytes, at: int, tag: bytes) -> int:
    if tag == b"plaintext":
        return -1
    if tag != b"script":
        found = RAW_END[tag].search(page, at) if tag in RAW_END else None
        return found.start() if found else -1 if tag in RAW_END else at
    expression = SCRIPT
    while found := expression.search(page, at):
        following = after_script(expression, found[0])
        if following is None:
            return found.start()
        at, expression = found.end(), following
    return -1
