"""What a registry client decides before it asks: whom, with which login, when again."""

import pytest

from runtime.cri import Auth, ImageFailure
from runtime.images.challenge import Credentials, parse_challenges, parse_token, pick_challenge, token_url
from runtime.images.endpoints import RegistryConfig, is_loopback, plan_endpoints, read_registries
from runtime.images.reference import parse_reference
from runtime.images.registry import Refused, plan_retry
from runtime.images.transfer import LineError, _headers_after_redirect

ME = Auth("me", "secret")


def test_docker_hub_is_asked_at_its_own_host():
    (endpoint,) = plan_endpoints(parse_reference("busybox"), RegistryConfig(), None)
    assert endpoint.base_url == "https://registry-1.docker.io"


def test_mirrors_come_first_and_see_no_login():
    config = RegistryConfig(mirrors={"docker.io": ["https://mirror.example/"]}, logins={"docker.io": ME})
    mirror, hub = plan_endpoints(parse_reference("busybox"), config, None)
    assert (mirror.base_url, mirror.auth) == ("https://mirror.example", Auth())
    assert hub.auth == ME


def test_plain_http_only_for_loopback_and_configured_hosts():
    def base(name, **config):
        return plan_endpoints(parse_reference(name), RegistryConfig(**config), None)[0].base_url

    assert base("localhost:5000/x") == "http://localhost:5000"
    assert base("127.0.0.1:5000/x") == "http://127.0.0.1:5000"
    assert base("reg.example:5000/x") == "https://reg.example:5000"
    assert base("reg.example:5000/x", plain_http=["reg.example:5000"]) == "http://reg.example:5000"
    assert base("localhost:5000/x", ca_files={"localhost:5000": "/ca"}) == "https://localhost:5000"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.1.2.3", "127.0.0.1:80", "[::1]:80", "[::1]"]
)
def test_loopback_is_known_by_name_and_address(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "10.0.0.1", "127.0.0.1.example", "[2001:db8::1]:80", "x"]
)
def test_other_hosts_are_not_loopback(host):
    assert not is_loopback(host)


def test_challenge_with_commas_and_quotes_is_parsed():
    header = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push",error="x \\"y\\""'
    (challenge,) = parse_challenges([header])
    assert challenge.scheme == "bearer"
    assert challenge.parameters["scope"] == "repository:a/b:pull,push"
    assert challenge.parameters["error"] == 'x "y"'
    url = token_url(challenge, "a/b", is_registry_plain=False)
    assert (
        url
        == "https://auth.docker.io/token?scope=repository%3Aa%2Fb%3Apull%2Cpush&service=registry.docker.io"
    )


def test_bearer_is_preferred_to_basic():
    picked = pick_challenge(parse_challenges(['Basic realm="x"', 'Bearer realm="https://a"']))
    assert picked is not None
    assert picked.scheme == "bearer"
    assert pick_challenge(parse_challenges(["Negotiate"])) is None


@pytest.mark.parametrize("realm", ["http://auth.example/token", "ftp://x", "", "file:///etc/passwd"])
def test_login_is_not_sent_to_a_realm_in_clear(realm):
    (challenge,) = parse_challenges([f'Bearer realm="{realm}"'])
    with pytest.raises(ImageFailure, match="not an https address"):
        token_url(challenge, "a/b", is_registry_plain=False)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 5}', b'{"token": "a\\r\\nX: y"}'])
def test_token_server_that_sends_no_token_is_named(body):
    with pytest.raises(ImageFailure, match="token server"):
        parse_token(body)


def test_token_is_used_until_shortly_before_it_expires():
    credentials = Credentials()
    credentials.remember("https://r", "a/b", ME, "Bearer x", 60.0, now=100.0)
    assert credentials.find("https://r", "a/b", ME, 150.0) == "Bearer x"
    assert credentials.find("https://r", "a/b", ME, 156.0) == ""
    assert credentials.find("https://r", "a/c", ME, 101.0) == ""
    assert credentials.find("https://r", "a/b", Auth(), 101.0) == ""


def test_retry_waits_longer_each_time_and_ends():
    line = LineError("x")
    assert [plan_retry(n, line, 5) for n in range(5)] == [0.5, 1.0, 2.0, 4.0, None]
    nobody = LineError("connection refused")
    nobody.__cause__ = ConnectionRefusedError()
    assert plan_retry(0, nobody, 5) is None
    assert plan_retry(0, Refused(404, "x"), 5) is None
    assert plan_retry(0, Refused(503, "x"), 5) == 0.5
    assert plan_retry(0, Refused(429, "x", 12.0), 5) == 12.0
    assert plan_retry(0, Refused(429, "x", 3600.0), 5) is None


def test_redirect_keeps_the_login_within_the_origin_only():
    sent = {"Authorization": "Bearer x", "Range": "bytes=1-"}
    same = _headers_after_redirect(sent, "https://r/v2/a", "https://r:443/v2/b")
    other = _headers_after_redirect(sent, "https://r/v2/a", "https://r:444/v2/b")
    assert same == sent
    assert other == {"Range": "bytes=1-"}
    with pytest.raises(LineError, match="from https to http"):
        _headers_after_redirect(sent, "https://r/v2/a", "http://r/v2/a")


def test_settings_with_an_unknown_key_are_refused():
    config = RegistryConfig.from_dict({"mirrors": {"docker.io": ["https://m"]}, "plainHTTP": ["r:1"]})
    assert config.mirrors == {"docker.io": ("https://m",)}
    with pytest.raises(ValueError, match="insecure"):
        RegistryConfig.from_dict({"insecure": True})
    with pytest.raises(ValueError, match=r"docker\.io"):
        RegistryConfig.from_dict({"mirrors": {"docker.io": "https://m"}})


def test_settings_file_is_read_and_its_faults_are_named(tmp_path):
    path = tmp_path / "registries.json"
    assert read_registries(path) == RegistryConfig()
    path.write_text('{"caFiles": {"r:5000": "/ca.pem"}}')
    assert read_registries(path).ca_files == {"r:5000": "/ca.pem"}
    for text in ("{", "[]", '{"mirrors": ["x"]}', '{"x": 1}'):
        path.write_text(text)
        with pytest.raises(ImageFailure, match=r"registries\.json cannot be used"):
            read_registries(path)
