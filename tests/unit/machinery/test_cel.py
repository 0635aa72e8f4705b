"""CEL: Kubernetes' libraries on top of the engine, and what is said when an expression fails."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.cel import CelError, Environment, Function
from machinery.cel.texts import uncaptured

ENV = Environment(("object", "request"))
OBJECT = {
    "spec": {"replicas": 3, "names": ["b", "a"], "image": "repo.io/app:1.2", "size": "1.5Gi", "ratio": 0.5},
    "labels": {"app": "web"},
}


def evaluated(text: str, **more: Any) -> Any:
    return ENV.compile(text)({"object": OBJECT, "request": {}, **more})


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("object.spec.replicas <= 5", True),
        ("has(object.spec.missing)", False),
        ("object.?spec.missing.orValue(7)", 7),
        ("object.labels.all(k, v, k == 'app' && v == 'web')", True),
        ("object.spec.names.map(n, n + '!')", ["b!", "a!"]),
        ("'%s has %d'.format([object.labels.app, object.spec.replicas])", "web has 3"),
        ("cel.bind(x, object.spec.replicas, x * x)", 9),
        ("sets.contains([1, 2], [2])", True),
        ("[3, 1, 2].sort()", [1, 2, 3]),
        # lists
        ("[1, 2, 2].isSorted()", True),
        ("object.spec.names.isSorted()", False),
        ("[1, 2].sum()", 3),
        ("object.spec.names.min()", "a"),
        ("[1, 2, 1].lastIndexOf(1)", 2),
        ("object.spec.names.indexOf('x')", -1),
        ("'abcabc'.lastIndexOf('b')", 4),
        # regular expressions
        ("'abc 123'.find('[0-9]+')", "123"),
        ("'abc'.find('[0-9]+')", ""),
        ("'a1 b2'.findAll('([a-z])([0-9])')", ["a1", "b2"]),
        ("'a1 b2'.findAll('[a-z][0-9]', 1)", ["a1"]),
        # URLs
        ("url('https://example.com:80/a%20b?k=v').getHost()", "example.com:80"),
        ("url('https://[::1]:80/').getHostname()", "::1"),
        ("url('https://example.com:80/').getPort()", "80"),
        ("url('https://example.com/x?k=a&k=b').getQuery()", {"k": ["a", "b"]}),
        ("isURL('https:// ')", False),
        ("isURL('/absolute')", True),
        # quantities
        ("quantity(object.spec.size).isGreaterThan(quantity('1Gi'))", True),
        ("quantity('1Ki') == quantity('1024')", True),
        ("quantity('50k').add(20).asInteger()", 50020),
        ("quantity('50k').sub(quantity('1k')).compareTo(quantity('49k'))", 0),
        ("quantity('1500m').asApproximateFloat()", 1.5),
        ("quantity('1500m').isInteger()", False),
        ("quantity('-1').sign()", -1),
        ("isQuantity('1.3GB')", False),
        # versions
        ("semver('1.2.3').isLessThan(semver('1.10.0'))", True),
        ("semver('1.0.0-rc.1').compareTo(semver('1.0.0'))", -1),
        ("semver('v1.2', true).minor()", 2),
        ("isSemver('v1.0')", False),
        # addresses
        ("ip('192.168.0.1').family()", 4),
        ("ip('::1').isLoopback()", True),
        ("ip.isCanonical('2001:DB8::1')", False),
        ("isIP('::ffff:1.2.3.4')", False),
        ("cidr('192.168.0.0/24').containsIP('192.168.0.7')", True),
        ("cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/16'))", False),
        ("string(cidr('192.168.0.7/24').masked())", "192.168.0.0/24"),
        ("string(cidr('192.168.0.7/24').ip())", "192.168.0.7"),
        ("cidr('::/0').prefixLength()", 0),
        ("string(5)", "5"),
        # formats
        ("format.dns1123Label().validate('ok').hasValue()", False),
        ("format.named('dns1123Label').value().validate('No').hasValue()", True),
        ("format.named('nothing').hasValue()", False),
        ("format.labelValue().validate('-').value().size()", 1),
        ("optional.of(1).hasValue()", True),
        ("jsonpatch.escapeKey('a/b~c')", "a~1b~0c"),
    ],
)
def test_expression_gives(text: str, result: Any) -> None:
    assert evaluated(text) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("object.spec.missing", "no such key: missing"),
        ("object.spec.replicas + 'a'", "no such overload"),
        ("object.spec.replicas / 0", "division by zero"),
        ("quantity('x')", "quantities must match the regular expression"),
        ("quantity('1').family()", "no such overload"),
        ("object.labels.app.matches('(')", "invalid regular expression"),
        ("[].min() == 1", "min called on empty list"),
        ("optional.of(1)", "the result is of a type that cannot be used"),
    ],
)
def test_evaluation_that_fails_says_why(text: str, message: str) -> None:
    with pytest.raises(CelError, match=message.replace("(", r"\(")):
        evaluated(text)


@pytest.mark.parametrize("text", ["object.", "unknown", "object.f(", "'a' + 1", "nothing(1)"])
def test_expression_that_does_not_compile_is_refused(text: str) -> None:
    with pytest.raises(CelError, match="ERROR: <input>:1:") as caught:
        ENV.compile(text)
    assert not caught.value.args[0].startswith("INVALID_ARGUMENT")
    with pytest.raises(CelError):  # kept, and refused again
        ENV.compile(text)


def test_evaluation_is_bounded() -> None:
    with pytest.raises(CelError, match="Iteration budget exceeded"):
        evaluated("object.l.all(a, object.l.all(b, a + b >= 0))", object={"l": list(range(300))})


def test_program_is_compiled_once_and_knows_its_type() -> None:
    assert ENV.compile("1 + 1") is ENV.compile("1 + 1")
    assert ENV.compile("1 + 1").result == "INT" and ENV.compile("object.x").result == "DYN"


def test_environment_takes_functions_of_its_own() -> None:
    env = Environment(("x",), [Function("twice", ("int",), "int", lambda n: 2 * n, True)])
    assert env.compile("x.twice() + 1")({"x": 4}) == 9


@pytest.mark.parametrize(
    ("pattern", "without"),
    [
        ("a(b)c", "a(?:b)c"),
        (r"a\(b(?:c)", r"a\(b(?:c)"),
        ("[(](x)", "[(](?:x)"),
        ("(?P<n>x)(?<m>y)", "(?:x)(?:y)"),
        ("[]()](z)", "[]()](?:z)"),
        ("(?i)a(b)", "(?i)a(?:b)"),
    ],
)
def test_groups_capture_nothing(pattern: str, without: str) -> None:
    assert uncaptured(pattern) == without
