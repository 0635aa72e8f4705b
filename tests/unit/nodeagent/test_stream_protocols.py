from __future__ import annotations

import orjson
import pytest

from machinery.errors import BadRequest
from nodeagent.grpc_health import request_frames, serving_status
from nodeagent.probing import ProbeSettings, ProbeState, after_attempt, port_number
from nodeagent.server.asgi import Query
from nodeagent.server.channels import ChannelProtocol, choose, exit_status, window_size
from nodeagent.server.log_reader import LineFormatter, LogOptions, log_files, tail_start
from nodeagent.server.serve import ServeConfig, is_allowed


def test_channel_protocols() -> None:
    v5, v1 = choose(["v5.channel.k8s.io", "v4.channel.k8s.io"]), choose([])
    assert v5 and v5.can_close_stdin and v1 and v1.name == ""
    assert choose(["unknown"]) is None
    assert v5.encode(1, b"x") == b"\x01x" and v5.decode(b"\x00in") == (0, b"in") and v5.decode(b"") is None
    b64 = ChannelProtocol("base64.channel.k8s.io")
    assert b64.encode(1, b"x") == "1eA==" and b64.decode("0eA==") == (0, b"x") and b64.decode("x") is None
    assert orjson.loads(v5.outcome(exit_status(0))[1:]) == {"metadata": {}, "status": "Success"}
    assert v1.outcome(exit_status(2)).startswith(b"\x03command terminated")
    assert window_size(b'{"Width":80,"Height":24}') == (80, 24) and window_size(b"x") is None
    for impossible in (
        b'{"Width":65536,"Height":24}',
        b'{"Width":80,"Height":-1}',
        b'{"Width":1e300,"Height":1}',
    ):
        assert window_size(impossible) is None  # the kernel would not take it, and the session would end
    assert b64.decode(b"\xff") is None


def log(stamp: str, text: str, tag: str = "F", stream: str = "stdout") -> bytes:
    return f"2026-01-01T00:00:{stamp}.000000000Z {stream} {tag} {text}\n".encode()


def options(query: str = "", now: float = 0.0) -> LogOptions:
    return LogOptions.of(Query({"query_string": query.encode()}), now)


def test_log_lines_are_formatted_across_pieces() -> None:
    data = log("01", "one") + log("02", "lo", "P") + log("02", "ng") + log("03", "err", stream="stderr")
    for step in (1, 7, 1000):
        formatter = LineFormatter(options())
        assert (
            b"".join(formatter.feed(data[i : i + step]) for i in range(0, len(data), step))
            == b"one\nlong\nerr\n"
        )
    assert LineFormatter(options("timestamps=true")).feed(data).count(b"2026-") == 3
    assert LineFormatter(options("stream=Stderr")).feed(data) == b"err\n"
    assert LineFormatter(options("sinceTime=2026-01-01T00:00:02Z")).feed(data) == b"long\nerr\n"
    limited = LineFormatter(options("limitBytes=5"))
    assert limited.feed(data) == b"one\nl" and limited.is_full


@pytest.mark.parametrize(
    "query", ["tailLines=-1", "tailLines=x", "limitBytes=0", "sinceTime=today", "sinceSeconds=0"]
)
def test_bad_log_options_are_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        options(query)


def test_tail_spans_rotated_files(tmp_path) -> None:
    current = tmp_path / "0.log"
    (tmp_path / "0.log.20260101-000000").write_bytes(log("01", "a") + log("02", "b"))
    (tmp_path / "0.log.20260102-000000").write_bytes(log("03", "c"))
    current.write_bytes(log("04", "d", "P") + log("04", "e"))
    (tmp_path / "1.log").write_bytes(b"")
    paths = log_files(str(current))
    assert [path.rsplit("/", 1)[1] for path in paths] == [
        "0.log.20260101-000000",
        "0.log.20260102-000000",
        "0.log",
    ]
    size = len(log("01", "a"))
    assert tail_start(paths, 1) == (2, 0)
    assert tail_start(paths, 2) == (1, 0)
    assert tail_start(paths, 3) == (0, size)
    assert tail_start(paths, 4) == tail_start(paths, 99) == (0, 0)
    assert tail_start(paths, 0) == (2, current.stat().st_size)
    assert log_files(str(tmp_path / "none" / "0.log")) == []


def test_tail_counts_what_ended_without_a_newline_as_a_line(tmp_path) -> None:
    current = tmp_path / "0.log"
    current.write_bytes(log("01", "a") + log("02", "b") + log("03", "rest", "P"))
    size = len(log("01", "a"))
    assert tail_start([str(current)], 1) == (0, 2 * size)
    assert tail_start([str(current)], 2) == (0, size)


def test_only_the_api_server_may_call() -> None:
    config = ServeConfig("h", 1)

    def certificate(user: str, *groups: str) -> dict:
        return {"subject": ((("commonName", user),), *((("organizationName", g),) for g in groups))}

    assert is_allowed(certificate("kube-apiserver-kubelet-client"), config)
    assert is_allowed(certificate("x", "system:masters"), config)
    assert not is_allowed(certificate("system:node:n", "system:nodes"), config)
    assert not is_allowed(None, config)


def test_probe_thresholds() -> None:
    settings = ProbeSettings.of({"failureThreshold": 3, "successThreshold": 2})
    state, seen = ProbeState(), []
    for ok in (False, True, True, False, False, True, False, False, False, True, True):
        state = after_attempt(state, ok, settings)
        seen.append(state.verdict)
    assert seen == [None, None, True, True, True, True, True, True, False, False, True]
    assert ProbeSettings.of({}) == ProbeSettings(0, 10, 1, 1, 3)


def test_named_probe_port() -> None:
    container = {"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}
    assert (
        port_number("http", container) == 8080
        and port_number(5, container) == 5
        and port_number("7", container) == 7
    )
    with pytest.raises(ValueError, match="couldn't find port"):
        port_number("nope", container)


def test_grpc_health_messages() -> None:
    frames = request_frames("10.0.0.1", 80, "svc")
    assert b"/grpc.health.v1.Health/Check" in frames and frames.endswith(b"\x00\x00\x00\x00\x05\x0a\x03svc")
    assert serving_status(b"\x08\x01") == 1 and serving_status(b"") == 0 and serving_status(b"\x08\x02") == 2
