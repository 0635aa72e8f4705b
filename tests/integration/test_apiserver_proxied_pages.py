"""Pages and redirects of pods, services and nodes through the proxy subresources, over sockets: their links stay with the proxy."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from proxied_pod import PROXY, cluster

PAGE = b'<a href="/next?a=1&amp;b=2">next</a><IMG SRC=/i.png ><a href="near">n</a><a href="http://other.example/x">o</a>'
NODE = "/api/v1/nodes/n1/proxy"


def rewritten(prefix):
    return (
        f'<a href="{prefix}/next?a=1&amp;b=2">next</a><IMG SRC="{prefix}/i.png" ><a href="near">n</a>'
        '<a href="http://other.example/x">o</a>'
    ).encode()


class Site:
    """A pod's server: `answers` by path; remembers the heads it was sent."""

    def __init__(self, answers):
        self.answers = answers
        self.heads = []

    async def __call__(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        path = head.split()[1].partition("?")[0]
        for piece in self.answers[path]:
            writer.write(piece)
            await writer.drain()
        writer.close()


def answer(body, *headers, status="200 OK", length=True):
    told = [*headers, f"Content-Length: {len(body)}"] if length else headers
    return [
        f"HTTP/1.1 {status}\r\n".encode() + "".join(f"{each}\r\n" for each in told).encode() + b"\r\n",
        body,
    ]


def get(answers, path, *headers, method="GET"):
    """(status line, headers, body, the heads that the site saw)."""

    async def main():
        site = Site(answers)
        listening = await asyncio.start_server(site, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        async with listening, cluster(port) as (address, _):
            host, _, own = address.partition(":")
            reader, writer = await asyncio.open_connection(host, int(own))
            lines = [
                f"{method} {path} HTTP/1.1",
                f"Host: {address}",
                "Connection: close",
                "Authorization: Bearer secret",
                *headers,
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            whole = await asyncio.wait_for(reader.read(), 10)
            writer.close()
        head, _, body = whole.partition(b"\r\n\r\n")
        status, *pairs = head.decode("latin-1").split("\r\n")
        told = {}
        for pair in pairs:
            name, _, value = pair.partition(": ")
            told.setdefault(name.lower(), []).append(value)
        if told.get("transfer-encoding") == ["chunked"]:
            body = _unchunked(body)
        return status, told, body, site.heads

    return asyncio.run(main())


def _unchunked(body):
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        out, body = out + body[: int(size, 16)], body[int(size, 16) + 2 :]
        if size == b"0":
            return out
    raise AssertionError("no last chunk")


HTML = "Content-Type: text/html; charset=utf-8"


@pytest.mark.parametrize("proxy", [PROXY, NODE])
def test_links_of_a_page_lead_through_the_proxy(proxy):
    status, headers, body, heads = get(
        {"/sub/": answer(PAGE, HTML, "Access-Control-Allow-Origin: *")}, f"{proxy}/sub/?q=1"
    )
    assert status == "HTTP/1.1 200 OK"
    assert body == rewritten(proxy)
    assert "access-control-allow-origin" not in headers
    assert heads[0].startswith("GET /sub/?q=1 HTTP/1.1\r\n")
    if proxy == PROXY:
        assert f"x-forwarded-uri: {PROXY}/sub/\r\n" in heads[0]
        assert "x-forwarded-for: 127.0.0.1\r\n" in heads[0]
        assert "authorization" not in heads[0]


def test_host_that_was_asked_is_told_to_the_pod_and_its_links_stay_whole():
    _, _, body, heads = get(
        {"/": answer(b"<a href='http://pods.example/x'>", HTML)}, f"{PROXY}/", "X-Forwarded-For: 10.9.9.9"
    )
    assert "x-forwarded-for: 10.9.9.9, 127.0.0.1\r\n" in heads[0]
    assert "host: 127.0.0.1:" in heads[0]
    assert body == b"<a href='http://pods.example/x'>"


@pytest.mark.parametrize(
    ("packing", "pack", "unpack"),
    [("gzip", gzip.compress, gzip.decompress), ("deflate", zlib.compress, zlib.decompress)],
)
def test_packed_page_is_rewritten_and_packed_again(packing, pack, unpack):
    answers = {"/": answer(pack(PAGE), HTML, f"Content-Encoding: {packing}")}
    _, headers, body, heads = get(answers, f"{PROXY}/", f"Accept-Encoding: {packing}")
    assert f"accept-encoding: {packing}\r\n" in heads[0].lower()
    assert headers["content-encoding"] == [packing]
    assert unpack(body) == rewritten(PROXY)


def test_page_that_is_not_packed_as_it_says_passes_as_it_is():
    assert get({"/": answer(PAGE, HTML, "Content-Encoding: gzip")}, f"{PROXY}/")[2] == PAGE


@pytest.mark.parametrize("kind", [["Content-Type: text/plain"], [], [HTML, "Content-Encoding: br"]])
def test_what_is_no_readable_page_passes_as_it_is(kind):
    assert get({"/": answer(PAGE, *kind)}, f"{PROXY}/")[2] == PAGE


@pytest.mark.parametrize(
    ("location", "told"),
    [("/in?x", f"{PROXY}/in?x"), ("http://other.example/x", "http://other.example/x"), ("near", "near")],
)
def test_redirect_stays_with_the_proxy(location, told):
    answers = {
        "/": answer(
            PAGE, HTML, f"Location: {location}", "Set-Cookie: a=1, b", "Set-Cookie: c=2", status="302 Found"
        )
    }
    status, headers, body, _ = get(answers, f"{PROXY}/")
    assert status == "HTTP/1.1 302 Found"
    assert headers["location"] == [told]
    assert headers["set-cookie"] == ["a=1, b", "c=2"]
    assert body == PAGE


def test_redirect_to_no_address_is_an_error_of_the_server():
    status, _, body, _ = get({"/": answer(b"", "Location: http://[::1", status="302 Found")}, f"{PROXY}/")
    assert status.startswith("HTTP/1.1 500 ")
    assert b"error trying to parse Location header" in body


@pytest.mark.parametrize("proxy", [PROXY, NODE])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_path_without_its_first_slash_is_sent_to_the_one_that_has_it(proxy, method):
    status, headers, body, heads = get({}, f"{proxy}?a=b", method=method)
    assert status.startswith("HTTP/1.1 301 ")
    assert (headers["location"], body, heads) == ([f"{proxy}/?a=b"], b"", [])


def test_head_tells_the_length_of_what_would_pass_and_none_of_what_would_be_rewritten():
    plain = answer(b"", "Content-Type: text/plain", "Content-Length: 77", length=False)
    assert get({"/": plain}, f"{PROXY}/", method="HEAD")[1]["content-length"] == ["77"]
    page = answer(b"", HTML, "Content-Length: 77", length=False)
    assert "content-length" not in get({"/": page}, f"{PROXY}/", method="HEAD")[1]


def test_long_page_passes_in_pieces_while_it_is_written():
    row = b"<tr><td>" + b"x" * 500 + b'</td><td><a href="/row">r</a></td></tr>\n'
    head, _ = answer(b"", HTML, length=False)
    body = get({"/": [head, *([row * 50] * 40)]}, f"{PROXY}/")[2]
    assert body == row.replace(b'"/row"', f'"{PROXY}/row"'.encode()) * 2000


def test_answer_that_is_cut_short_is_not_passed_off_as_whole():
    with pytest.raises(AssertionError, match="no last chunk"):
        get({"/": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"half"]}, f"{PROXY}/")


def test_pod_that_is_asked_for_nothing_any_more_is_left():
    """It thinks, and the caller goes: the pod sees the end of its connection."""

    async def main():
        asked, left = asyncio.Event(), asyncio.Event()

        async def pod(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read()
            left.set()
            writer.close()

        backend = await asyncio.start_server(pod, "127.0.0.1", 0)
        async with backend, cluster(backend.sockets[0].getsockname()[1]) as (address, _):
            _, writer = await asyncio.open_connection(*address.split(":"))
            writer.write(
                f"GET {PROXY}/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n".encode()
            )
            await asyncio.wait_for(asked.wait(), 5)
            writer.close()
            await asyncio.wait_for(left.wait(), 5)

    asyncio.run(main())
