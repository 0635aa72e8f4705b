"""CEL with Kubernetes' libraries: random calls of listed functions on listed values. The value must agree, or that there is
none; which of compiling and evaluating refuses is left open, since types are checked beside here
(docs/decisions/0006-cel.md). Timestamps and durations are compared as texts of their own functions only.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

from oracles.process import Answer, Ask, Request

from machinery.cel.environment import CelError, Environment

_SELF: dict[str, Any] = {
    "a": [1, 2, 2, 3],
    "s": ["b", "a", "c", "a"],
    "t": "hello, World",
    "n": 5,
    "m": {"k": "v", "x": 1},
    "e": [],
    "d": 1.5,
}
_LISTS = ("self.a", "self.s", "self.e", "[1, 2, 3]", "['a', 'b']", "[3.5, 1.0]", "[true, false]")
_TEXTS = ("self.t", "'abc'", "''", "'a,b,c'", "'1.2.3'", "'10.0.0.1'", "'::1'", "'10.0.0.0/8'", "'https://h:80/p?q=1&q=2#f'", "'1Gi'", "'500m'",
          "'v1.0.0-rc.1'", "'x'", "'/path'", "'not a url'", "'fe80::1/64'", "'127.0.0.1'")  # fmt: skip
_ON_LISTS = ("isSorted()", "sum()", "min()", "max()", "indexOf(2)", "lastIndexOf('a')", "size()", "all(x, x == x)", "exists(x, x == 2)",
             "exists_one(x, x == 'a')", "map(x, x)", "filter(x, x != 2)", "join(',')", "slice(0, 1)", "distinct()", "sort()", "reverse()",
             "flatten()", "first().orValue(0)", "transformList(i, v, i)")  # fmt: skip
_ON_TEXTS = ("find('[a-c]+')", "findAll('[a-z]')", "findAll('l', 1)", "matches('^a')", "size()", "upperAscii()", "lowerAscii()", "trim()", "split(',')",
             "split(',', 2)", "replace('a', 'z')", "replace('l', '', 1)", "indexOf('l')", "lastIndexOf('o')", "substring(1)", "substring(0, 2)",
             "charAt(0)", "startsWith('a')", "endsWith('c')", "contains('b')", "reverse()")  # fmt: skip
_OF_TEXTS = ("isURL({})", "url({}).getHost()", "url({}).getHostname()", "url({}).getPort()", "url({}).getScheme()", "url({}).getEscapedPath()",
             "url({}).getQuery()", "isIP({})", "ip({}).family()", "ip({}).isLoopback()", "ip({}).isGlobalUnicast()", "ip({}).isUnspecified()",
             "string(ip({}))", "ip.isCanonical({})", "isCIDR({})", "cidr({}).prefixLength()", "cidr({}).containsIP('10.1.2.3')",
             "cidr({}).containsCIDR('10.1.0.0/16')", "string(cidr({}).masked())", "string(cidr({}).ip())", "isQuantity({})", "quantity({}).isInteger()",
             "quantity({}).asInteger()", "quantity({}).asApproximateFloat()", "quantity({}).sign()", "quantity({}).add(quantity('1')).compareTo(quantity('2'))",
             "quantity({}).isGreaterThan(quantity('1'))", "isSemver({})", "semver({}).major()", "semver({}).patch()", "isSemver({}, true)",
             "semver({}).isLessThan(semver('2.0.0'))", "format.dns1123Label().validate({}).hasValue()", "format.uri().validate({}).hasValue()",
             "int({})", "double({})", "base64.encode(bytes({}))", "type({}) == string", "{} + 'x'", "{} == self.t", "{} in self.s")  # fmt: skip
_OTHERS = ("math.greatest(1, 2, 3)", "math.least([1.5, 2.0])", "math.abs(-3)", "math.ceil(1.2)", "math.sign(-2.5)", "math.bitAnd(6, 3)", "sets.contains([1, 2], [1])",
           "sets.equivalent([1, 1], [1])", "sets.intersects([1], [2])", "self.?n.orValue(1)", "self.?zz.orValue(1)", "self.?m.?k.hasValue()",
           "optional.of(1).value()", "optional.none().hasValue()", "has(self.m.k)", "has(self.m.q)", "self.m.q", "self.n / 0", "self.n % 2", "1 / 2",
           "duration('1h').getMinutes()", "string(duration('90s'))", "timestamp('2024-01-01T00:00:00Z').getFullYear()", "'%s-%d'.format(['a', 5])",
           "'%.2f'.format([1.555])", "'%x'.format([255])", "self.n in [5]", "self.m.map(k, k).size()", "[1, 2] == [1.0, 2.0]",
           "1 == 1.0", "{'a': 1}.a", "dyn(1) == 1u", "'a' < 'b'", "!true || self.zz", "true || self.zz == 1", "cel.bind(x, 5, x + x)", "[[1, 2], [3]].flatten()",
           "9223372036854775807 + 1", "-self.n", "self.d * 2.0", "self.d + 1", "string(self.d)", "string(1e100)", "int('0x10')", "b'abc'.size()", "'ÄÖ'.size()",
           "self.a[5]", "self.a[0]", "self.t[0]", "type(self.n)", "lists.range(3)", "strings.quote('a\"b')", "'abc'.lowerAscii() == 'ABC'.lowerAscii()")  # fmt: skip


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    for text in (
        f"{rng.choice(_LISTS)}.{rng.choice(_ON_LISTS)}",
        f"{rng.choice(_TEXTS)}.{rng.choice(_ON_TEXTS)}",
        rng.choice(_OF_TEXTS).format(rng.choice(_TEXTS)),
        rng.choice(_OTHERS),
    ):
        request: Request = {"fn": "cel", "text": text}
        answer = ask({**request, "self": _SELF})
        yield request, answer


_environment = Environment(("self",))


def ours(request: Request) -> Answer:
    try:
        return {"out": _environment.compile(request["text"])({"self": _SELF})}
    except CelError as error:
        return {"error": str(error)}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if "out" in theirs and "out" in mine:
        if isinstance(theirs["out"], dict):  # of a type that has no JSON
            return ""
        left, right = theirs["out"], mine["out"]
        if isinstance(left, float) and isinstance(right, float) and math.isclose(left, right):
            return ""
        return "" if left == right else f"theirs {left!r}\n mine {right!r}"
    if "compile:" in theirs.get("error", ""):
        return ""  # types are judged apart from evaluation here, and some functions more are known
    return "" if ("out" in theirs) == ("out" in mine) else f"theirs {theirs}\n mine {mine}"
