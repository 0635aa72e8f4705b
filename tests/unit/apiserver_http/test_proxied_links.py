"""Links of pages that pass through a proxy: which are rewritten, that all else passes byte for byte, in pieces of any size."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.http.html_links import Links
from apiserver.http.rewriting import BadLocation, Through, plan_rewriting

PREFIX = "/proxy/node/node1:10250"
THROUGH = Through(PREFIX, "asked:8001", "mynode.com")


def passed(page, size=None):
    links = Links(THROUGH.address)
    size = size or len(page) or 1
    return b"".join(links.feed(page[at : at + size]) for at in range(0, len(page), size)) + links.rest()


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("kubelet.log", "kubelet.log"),
        ("/google.log", f"{PREFIX}/google.log"),
        ("/google.log/", f"{PREFIX}/google.log/"),
        ("http://mynode.com/k.js", f"{PREFIX}/k.js"),
        ("http://google.com/k.js", "http://google.com/k.js"),
        ("http://asked:8001/target/", f"http://asked:8001{PREFIX}/target/"),
        (f"{PREFIX}/already", f"{PREFIX}/already"),
        ("/a/../b//c?x=/y#/z", f"{PREFIX}/b/c?x=/y#/z"),
        ("/t/%00<script>", f"{PREFIX}/t/%00%3Cscript%3E"),
        ("http://example.com/<s>/", "http://example.com/%3Cs%3E/"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ("/bad%zz", "/bad%zz"),
        ("http://[::1", "http://[::1"),
        ("", ""),
    ],
)
def test_address_leads_through_the_proxy_where_it_is_of_the_same_server(address, written):
    assert THROUGH.address(address) == written


def test_only_links_of_tags_are_rewritten():
    same = (
        b"<!doctype html><!-- <a href='/c'> --><script>if (a<b) x = '<a href=\"/s\">'</script><title><a href='/t'></title>"
        b"<p href='/p'><A hrefs='/h' \xff\x00></a href='/e'>text < '/x' &amp; <img alt=/a.png><![CDATA[<a>]]>"
    )
    assert passed(same) == same
    assert passed(b"<a HREF = '/x' href='/y'>") == f"<a HREF = '{PREFIX}/x' href='/y'>".encode()


@pytest.mark.parametrize(
    "page", [b"<a href='/x", b"<a href=/x", b"<!-- x", b"<scr", b"<", b"<script>a</scri", b"</a", b"<!"]
)
def test_page_that_ends_within_a_tag_passes_as_it_is(page):
    assert passed(page) == page
    assert passed(page, 1) == page


PARTS = [
    b"<a href='/x'>",
    b"<!--",
    b"-->",
    b"<script>",
    b"</script>",
    b"<",
    b">",
    b"/",
    b"'",
    b'"',
    b"=",
    b" ",
    b"<img src=/i",
    b"href=",
    b"-",
    b"!",
]


@given(st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join), st.integers(1, 9))
def test_size_of_the_pieces_makes_no_difference(page, size):
    assert passed(page, size) == passed(page)


def test_little_is_held_back_of_a_value_that_is_too_long_for_a_link():
    links = Links(THROUGH.address)
    sent, told = 0, 0
    for piece in (b"<img src='/", *[b"a" * 4096] * 100):
        sent += len(piece)
        told += len(links.feed(piece))
        assert sent - told <= 65536 + 4096
    assert told > 4096 * 80


def test_much_that_is_packed_small_is_unpacked_a_little_at_a_time():
    headers = {"content-type": "text/html", "content-encoding": "gzip"}
    body = plan_rewriting(headers, THROUGH).body
    packed = gzip.compress(b"<a href='/x'>" + b" " * 20_000_000)
    pieces = [len(piece) for piece in body.feed(packed)]
    assert len(pieces) > 300
    assert max(pieces) < 65536
    body.rest()


@pytest.mark.parametrize("cut", [20, 60])
def test_packed_page_that_is_cut_or_spoilt_is_an_error(cut):
    headers = {"content-type": "text/html", "content-encoding": "gzip"}
    packed = gzip.compress(b"<a href='/x'>" * 50 + bytes(range(256)))
    body = plan_rewriting(headers, THROUGH).body
    with pytest.raises(ConnectionError):
        list(body.feed(packed[:cut]))
        list(body.feed(b"\xff" * 20)) if cut > 20 else None
        body.rest()


def test_location_is_rewritten_and_the_page_with_it_left_alone():
    plan = plan_rewriting(
        {"location": "/x", "content-type": "text/html", "access-control-allow-origin": "*"}, THROUGH
    )
    assert plan.headers == {"location": f"{PREFIX}/x", "content-type": "text/html"}
    assert plan.body is None
    with pytest.raises(BadLocation):
        plan_rewriting({"location": "http://[::1"}, THROUGH)
