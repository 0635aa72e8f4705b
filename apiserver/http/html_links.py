"""The links of an HTML page, rewritten while it streams through: every other byte passes as it came.

    links = Links(rewrite);  out = links.feed(piece) ...;  out = links.rest()

`rewrite(address)` gives the new address, in latin-1 (one byte a character). The page may be of any encoding that has ASCII's
characters at ASCII's places. What is held back is never more than a link's value (64 KiB: a longer one is no link and passes) or the
few bytes that may still become a tag; markup that never ends passes as it is at the end.

Where tags, comments and scripts begin and end is what the HTML standard's tokenizer says, as upstream's (golang.org/x/net/html) reads
it: Python's html.parser neither keeps every byte nor ends scripts alike, and parsers of trees (lxml, html5lib) repair the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from apiserver.http.html_attributes import LINKS, escaped, unescaped

_LONGEST_LINK = 65536
_LONGEST_NAME = 64
_TEXT_TAGS = frozenset(
    (b"iframe", b"noembed", b"noframes", b"noscript", b"style", b"textarea", b"title", b"xmp")
)

_RAW_TAGS = _TEXT_TAGS | {b"script", b"plaintext"}
# A tag that is here as a whole and written as most are: an end tag without attributes, or a start tag (1) with attributes (2) whose
# values and names hold nothing doubtful. Any other goes through the states one by one, to the same end.
_WHOLE_TAG = re.compile(
    rb"""</[a-zA-Z][^ \n\r\t\f/>]*+[ \n\r\t\f]*+>|<([a-zA-Z][^ \n\r\t\f/>]*+)((?:[ \n\r\t\f]++[^ \n\r\t\f"'=<>/]++"""
    rb"""(?:=(?:"[^"]*+"|'[^']*+'|[^ \n\r\t\f"'=<>`]++))?+)*+)[ \n\r\t\f]*+/?+>"""
)
_ATTRIBUTE = re.compile(
    rb"""[ \n\r\t\f]([^ \n\r\t\f"'=<>/]++)(?:=(?:"([^"]*+)"|'([^']*+)'|([^ \n\r\t\f"'=<>`]++)))?+"""
)
_NO_SPACE = re.compile(rb"[^ \n\r\t\f]")
_NAME_END = re.compile(rb"[ \n\r\t\f/>]")
_KEY_END = re.compile(rb"[= \n\r\t\f/>]")
_BARE_END = re.compile(rb"[ \n\r\t\f>]")
_COMMENT_END = re.compile(rb"--!?>")
RAW_END = {tag: re.compile(rb"</(?i:%b)[ \n\r\t\f/>]" % tag) for tag in _TEXT_TAGS}
SCRIPT = re.compile(rb"(?i)</script[ \n\r\t\f/>]|<!(?=--)")
_ESCAPED = re.compile(rb"(?i)-->|</script[ \n\r\t\f/>]|<script[ \n\r\t\f/>]|<(?=[^/a-z])")
_TWICE_ESCAPED = re.compile(rb"(?i)-->|</script[ \n\r\t\f/>]")


class Links:
    """One page. The states are methods: each passes on what it can of what is held, from `_at`, and tells whether it came to another
    state; if not, more is needed."""

    def __init__(self, rewrite: Callable[[str], str]) -> None:
        self._rewrite = rewrite
        self._held = b""
        self._at = 0
        self._out: list[bytes] = []
        self._state = self._text
        self._tag = self._key = b""
        self._opens = False
        self._seen: set[bytes] = set()  # of this tag's links: only the first of a name counts
        self._value = b""
        self._is_link = False
        self._quote = b""
        self._raw_end = SCRIPT

    def feed(self, piece: bytes) -> bytes:
        self._held = self._held[self._at :] + piece
        self._at = 0
        while self._state():
            pass
        out, self._out = b"".join(self._out), []
        return out

    def rest(self) -> bytes:
        """What is still held when nothing more comes."""
        quote = self._quote if self._is_link else b""
        out = quote + self._value + self._held[self._at :]
        self._value, self._quote, self._held, self._at = b"", b"", b"", 0
        return out

    def _pass(self, end: int) -> None:
        if end > self._at:
            self._out.append(self._held[self._at : end])
            self._at = end

    def _pass_but(self, count: int) -> bool:
        """Everything but the last few bytes, which may begin something."""
        self._pass(len(self._held) - count)
        return False

    def _go(self, end: int, state: Callable[[], bool]) -> bool:
        self._pass(end)
        self._state = state
        return True

    def _text(self) -> bool:
        held = self._held
        at = held.find(b"<", self._at)
        while 0 <= at < len(held) - 1:
            if found := _WHOLE_TAG.match(held, at):
                self._tag = (found[1] or b"").lower()
                if found[2]:
                    self._whole_tag(found.start(2), found.end(2))
                if self._tag in _RAW_TAGS:
                    self._opens = True
                    return self._go(found.end(), self._after_tag())
                at = held.find(b"<", found.end())
                continue
            first = held[at + 1 : at + 2]
            if first.isalpha():
                self._tag, self._opens, self._seen = b"", True, set()
                return self._go(at + 1, self._tag_name)
            if first == b"/":
                return self._go(at + 2, self._end_tag)
            if first == b"!":
                return self._go(at + 2, self._declaration)
            if first == b"?":
                return self._go(at + 2, self._until_angle)
            at = held.find(b"<", at + 1)
        return self._pass_but(1 if at >= 0 else 0)

    def _whole_tag(self, start: int, end: int) -> None:
        """The links of a tag whose attributes stand from `start` to `end`."""
        wanted = LINKS.get(self._tag)
        if wanted is None:
            return
        seen = set()
        for found in _ATTRIBUTE.finditer(self._held, start, end):
            key, group = found[1].lower(), found.lastindex or 1
            if key not in wanted or key in seen:
                continue
            seen.add(key)
            if group > 1 and len(found[group]) <= _LONGEST_LINK:
                self._pass(found.start(group))
                self._at = found.end(group)
                self._out.append(self._linked(found[group], bare=group == 4))

    def _linked(self, value: bytes, *, bare: bool) -> bytes:
        """The value to write in its place: in quotes, if it was not and is another."""
        address = unescaped(value)
        written = self._rewrite(address)
        if written == address:
            return value
        return b'"%b"' % escaped(written) if bare else escaped(written)

    def _end_tag(self) -> bool:
        first = self._held[self._at : self._at + 1]
        if not first:
            return False
        if first == b">":
            return self._go(self._at + 1, self._text)
        if first.isalpha():
            self._tag, self._opens = b"", False
            return self._go(self._at, self._tag_name)
        return self._go(self._at, self._until_angle)

    def _declaration(self) -> bool:
        first = self._held[self._at : self._at + 2]
        if first == b"--":
            return self._go(self._at + 2, self._comment_start)
        return len(first) == 2 and self._go(self._at, self._until_angle)

    def _until_angle(self) -> bool:
        end = self._held.find(b">", self._at)
        return self._go(end + 1, self._text) if end >= 0 else self._pass_but(0)

    def _comment_start(self) -> bool:
        """`<!-->` and `<!--->` are whole."""
        first = self._held[self._at : self._at + 2]
        for whole in (b">", b"->"):
            if first.startswith(whole):
                return self._go(self._at + len(whole), self._text)
        return first not in (b"", b"-") and self._go(self._at, self._comment)

    def _comment(self) -> bool:
        found = _COMMENT_END.search(self._held, self._at)
        return self._go(found.end(), self._text) if found else self._pass_but(3)

    def _tag_name(self) -> bool:
        found = _NAME_END.search(self._held, self._at)
        end = found.start() if found else len(self._held)
        self._tag = (self._tag + self._held[self._at : end])[:_LONGEST_NAME].lower()
        self._pass(end)
        return found is not None and self._go(end, self._before_key)

    def _past_space(self) -> bytes:
        """The byte after white space, which is passed; empty if there is none yet."""
        found = _NO_SPACE.search(self._held, self._at)
        self._pass(found.start() if found else len(self._held))
        return found[0] if found else b""

    def _before_key(self) -> bool:
        first = self._past_space()
        if not first:
            return False
        if first == b">":
            return self._go(self._at + 1, self._after_tag())
        self._key = b""
        return self._go(self._at, self._key_name)

    def _key_name(self) -> bool:
        start = self._at
        if not self._key and self._held[start : start + 1] == b"=":
            start += 1  # it begins the name
        found = _KEY_END.search(self._held, start)
        end = found.start() if found else len(self._held)
        self._key = (self._key + self._held[self._at : end])[:_LONGEST_NAME].lower()
        self._pass(end)
        return found is not None and self._go(end, self._after_key)

    def _after_key(self) -> bool:
        first = self._past_space()
        if not first:
            return False
        if first == b"=":
            return self._go(self._at + 1, self._before_value)
        self._saw_key()
        return self._go(self._at + (first == b"/"), self._before_key)

    def _before_value(self) -> bool:
        first = self._past_space()
        if not first:
            return False
        if first == b">":
            return self._go(self._at, self._before_key)
        self._quote = first if first in b"'\"" else b""
        self._is_link = self._opens and self._key in LINKS.get(self._tag, ()) and self._key not in self._seen
        if self._quote:
            if self._is_link:
                self._at += 1
            else:
                self._pass(self._at + 1)
        self._value = b""
        self._state = self._value_bytes
        return True

    def _value_bytes(self) -> bool:
        held = self._held
        if self._quote:
            end = held.find(self._quote, self._at)
        else:
            found = _BARE_END.search(held, self._at)
            end = found.start() if found else -1
        piece = held[self._at : end if end >= 0 else len(held)]
        if self._is_link:
            self._at += len(piece)
            self._value += piece
            if end >= 0 or len(self._value) > _LONGEST_LINK:
                self._pass_link(whole=end >= 0)
        else:
            self._pass(self._at + len(piece))
        if end < 0:
            return False
        self._saw_key()
        return self._go(end + len(self._quote), self._before_key)

    def _saw_key(self) -> None:
        if self._key in LINKS.get(self._tag, ()):
            self._seen.add(self._key)

    def _pass_link(self, *, whole: bool) -> None:
        value, self._value, self._is_link = self._value, b"", False
        self._out.append(self._quote + (self._linked(value, bare=not self._quote) if whole else value))

    def _after_tag(self) -> Callable[[], bool]:
        if not self._opens:
            return self._text
        if self._tag == b"script":
            self._raw_end = SCRIPT
            return self._script
        if self._tag == b"plaintext":
            return lambda: self._pass_but(0)
        if self._tag in _TEXT_TAGS:
            self._raw_end = RAW_END[self._tag]
            return self._raw
        return self._text

    def _raw(self) -> bool:
        found = self._raw_end.search(self._held, self._at)
        return self._go(found.start(), self._text) if found else self._pass_but(len(b"</noframes>"))

    def _script(self) -> bool:
        """Of the script and what is hidden in comments in it: `<!-- <script> </script> -->` ends it nowhere."""
        found = self._raw_end.search(self._held, self._at)
        if found is None:
            return self._pass_but(len(b"</script>"))
        following = after_script(self._raw_end, found[0])
        if following is None:
            return self._go(found.start(), self._text)
        self._raw_end = following
        return self._go(found.end(), self._script)


def after_script(looked_for: re.Pattern[bytes], found: bytes) -> re.Pattern[bytes] | None:
    """What to look for after what was found in a script; None: the script ends there."""
    found = found.lower()
    if looked_for is _TWICE_ESCAPED:
        return SCRIPT if found == b"-->" else _ESCAPED
    if found.startswith(b"</"):
        return None
    if looked_for is SCRIPT:
        return _ESCAPED
    return _TWICE_ESCAPED if found.startswith(b"<s") else SCRIPT
