"""`make fuzz`: schemathesis against a real cluster, from the API's own description.

A `kctl up --fake-runtime` cluster is brought up for it. Every served group version's OpenAPI document is taken from
/openapi/v3, and for SECONDS each, schemathesis sends what the description allows and what it does not (phases coverage
and fuzzing), as the cluster's administrator. No answer may be a 5xx. After each group the server must answer, hold
no more than LIMIT_MIB, and no component may have logged an error or ended.

    python tests/fuzz/live.py [--seconds 20] [--seed 1] [--only apps]

Ends with 0 if nothing was found, 1 otherwise; each finding is printed with the curl command that repeats it.

Left out of the documents: `watch` (a stream's end is its timeoutSeconds: tests/fuzz/test_list_and_watch.py sends these),
and what connects to a node (exec, attach, portforward, proxy, log), where simulated nodes answer.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from api_wire import Wire
from clusters import Cluster, running

SCHEMATHESIS = Path(__file__).parents[2] / ".venv" / "fuzz" / "bin" / "schemathesis"
LIMIT_MIB = 600
STREAMS = ("exec", "attach", "portforward", "proxy", "log")
# Webhooks and delegated groups break later requests by design: they come last.
LAST = ("admissionregistration", "apiregistration")


def documents(wire: Wire) -> list[str]:
    """Paths below /openapi/v3 of the group versions that serve resources."""
    paths = [path for path in wire.send("GET", "/openapi/v3").json["paths"] if path.count("/") >= 1]
    wanted = [path for path in paths if path == "api/v1" or path.count("/") == 2]
    return sorted(wanted, key=lambda path: (any(word in path for word in LAST), path))


def without_streams(document: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for path, item in document["paths"].items():
        if path.split("}/")[-1].split("/")[0] in STREAMS or "/watch/" in path:
            continue
        for operation in [item, *(each for each in item.values() if isinstance(each, dict))]:
            named = operation.get("parameters") or []
            operation["parameters"] = [each for each in named if each.get("name") not in ("watch", "follow")]
        kept[path] = item
    return {**document, "paths": kept}


def resident_mib(cluster: Cluster) -> dict[str, int]:
    """Of each process that was started in this cluster's KCTL_HOME, its components among them."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"KCTL_HOME={cluster.home}\0".encode() in (status.parent / "environ").read_bytes():
                lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
                found[f"{status.parent.name} {lines['Name'].strip()}"] = (
                    int(lines["VmRSS"].split()[0]) // 1024
                )
        except (OSError, KeyError):
            continue
    return found


def fuzz(cluster: Cluster, wire: Wire, path: str, seconds: int, seed: int, scratch: Path) -> bool:
    """True if nothing was found in one group version."""
    document = scratch / "openapi.json"
    document.write_text(json.dumps(without_streams(wire.send("GET", f"/openapi/v3/{path}").json)))
    certificate = [str(scratch / f"client-{what}-data") for what in ("certificate", "key")]
    command = [
        *(str(SCHEMATHESIS), "run", str(document), "--url", f"https://{wire.host}:{wire.port}"),
        *("--tls-verify", "false", "--request-cert", certificate[0], "--request-cert-key", certificate[1]),
        *("--phases", "coverage,fuzzing", "--checks", "not_a_server_error", "--mode", "all"),
        *("--max-time", str(seconds), "--request-timeout", "20", "--seed", str(seed), "--workers", "1"),
        *("--continue-on-failure", "--generation-database", "none", "--no-color", "--warnings", "off"),
        *("--suppress-health-check", "all"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=scratch, timeout=seconds * 3 + 180)
    sent = re.search(r"(\d+) generated", done.stdout)
    passed = done.returncode == 0 and sent is not None
    words = [line.strip() for line in done.stdout.splitlines() if "generated" in line or "passed" in line]
    memory = resident_mib(cluster)
    print(
        f"{path:44} {'ok' if passed else 'FOUND'}  {'; '.join(words[-2:])}  {max(memory.values(), default=0)} MiB"
    )
    if not passed:
        print(done.stdout[-8000:], done.stderr[-2000:])
    if not memory:
        print("no process of the cluster is left")
        passed = False
    for who, mib in memory.items():
        if mib > LIMIT_MIB:
            print(f"{who} holds {mib} MiB, more than {LIMIT_MIB}")
            passed = False
    if wire.send("GET", "/readyz").status != 200:
        print("the API server is not ready any more")
        passed = False
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=20, help="for each group version")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="group versions whose path holds this text")
    options = parser.parse_args()
    if not SCHEMATHESIS.exists():
        print(f"{SCHEMATHESIS} is missing: tools/setup.sh fuzz-packages installs it", file=sys.stderr)
        return 2
    started = time.monotonic()
    with running("fuzz", "--fake-runtime") as cluster, tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        wire = Wire(cluster.kubeconfig, scratch)
        wanted = [path for path in documents(wire) if options.only in path]
        found = [
            path for path in wanted if not fuzz(cluster, wire, path, options.seconds, options.seed, scratch)
        ]
        troubles = cluster.troubles()
        print("\n".join(troubles[:100]))
    took = time.monotonic() - started
    print(f"{len(wanted)} group versions in {took:.0f} s, seed {options.seed}: {len(found)} with findings")
    return 1 if found or troubles or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
