"""Upstream's own API server engine beside ours: the same custom resource, the same load, in turns, in the same minutes.

k8s.io/apiextensions-apiserver serves custom resources through the very code that serves pods in kube-apiserver, and Debian carries
its source at 1.36. It asks our API server who its callers are (and keeps the answers), and is loaded over TLS with the same
client certificate. `tools/setup.sh upstream-packages` builds it.
"""

from __future__ import annotations

import time

from benchmarks.api import Rest
from benchmarks.bench import Bench
from benchmarks.bodies import CUSTOM_DEFINITION, CUSTOM_PATH
from benchmarks.clusters import running_server
from benchmarks.in_turns import Side, Sides, lists, memory, rates
from benchmarks.peers import built, peer
from benchmarks.rows import Row

_NAME = "upstream's engine 1.36 + etcd"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WRITTEN, _READ = "written", "read"
_MANY = 5000
_START_S = 30.0


def measure(bench: Bench) -> list[Row]:
    program = built("apiextensions-apiserver", "KCTL_UPSTREAM", "upstream-packages")
    with running_server(bench.directory, "ours") as ours:
        asked = [
            f"--{which}kubeconfig={ours.layout.kubeconfig}"
            for which in ("", "authentication-", "authorization-")
        ]
        with peer(bench.directory, ours, [str(program), *asked], _DEFINITIONS) as theirs:
            sides = (Side(Rest(ours), [ours.pid]), theirs)
            for side in sides:
                side.rest.ask("POST", _DEFINITIONS, CUSTOM_DEFINITION)
            for namespace in (_WRITTEN, _READ):
                sides[0].rest.prepare(namespace)
            for side in sides:
                _until_served(side.rest)
            return [
                *_creates(bench, sides),
                *_reads(bench, sides),
                memory(sides, _NAME, "memory afterwards"),
            ]


def _until_served(rest: Rest) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            rest.ask("GET", CUSTOM_PATH % _READ)
            return
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _creates(bench: Bench, sides: Sides) -> list[Row]:
    rows: list[Row] = []
    for connections in (1, 64):
        bench.say(f"create custom objects with {connections} connections, in turns")
        job = {
            "method": "POST",
            "path": CUSTOM_PATH % _WRITTEN,
            "body": "custom",
            "name_prefix": f"c{connections}",
        }
        name = f"create custom objects of 0.9 KB, {connections} conn"
        rows += rates(bench, sides, _NAME, name, connections=connections, seconds=1.5, warm_s=0.3, **job)
    return rows


def _reads(bench: Bench, sides: Sides) -> list[Row]:
    bench.say(f"get one and list {_MANY:,}, in turns")
    fill = {"method": "POST", "path": CUSTOM_PATH % _READ, "body": "custom", "name_prefix": "fill"}
    for side in sides:
        side.rest.load("requests", connections=64, total=_MANY, **fill)
    one = sides[0].rest.ask("GET", f"{CUSTOM_PATH % _READ}?limit=1")["items"][0]["metadata"]["name"]
    path = f"{CUSTOM_PATH % _READ}/{one}"  # both were given the same names
    get = {"connections": 16, "seconds": 1.5, "warm_s": 0.3, "method": "GET", "path": path}
    return [
        *rates(bench, sides, _NAME, "get one custom object, 16 conn", **get),
        lists(sides, _NAME, f"list {_MANY:,} custom objects, uncompressed", CUSTOM_PATH % _READ, _MANY),
    ]
