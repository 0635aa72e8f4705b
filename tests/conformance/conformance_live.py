"""`make conformance`: the real conformance suite of Kubernetes against a cluster of real containers.

The suite is upstream's `e2e.test`, unmodified, built by tools/upstream/kubernetes.sh; 1.20 is the newest release whose source a package
registry carries whole. Its specs run in several processes at once, as upstream's own runner does it, those marked [Serial] after
the others. Beside our controllers run upstream's own for the kinds that ours do not act on yet.

What is not expected to pass is written down with its reason (expected.yaml). Exit code 1 when anything else fails, or when something passes
that is written down as failing: the list must stay true.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fakes")]

from clusters import Cluster, running  # noqa: E402
from conformance_images import catalogue, write_archive  # noqa: E402
from upstream_components import kube_controller_manager  # noqa: E402

_OURS_LACK = "statefulset,daemonset,job,replicationcontroller,horizontalpodautoscaling,endpoint,persistentvolume-binder"
# The suite of 1.20 waits for the Secret with a token that each ServiceAccount had then.
_CONTROLLERS = (
    f"--controllers={_OURS_LACK},serviceaccount-token",
    "--leader-elect-resource-name=more-controllers",
)
_LONG = r"k8s\.io\] (Probing|Variable)"  # specs that wait for minutes
# (what runs, but for): one process each
_SHARES = (
    (r"sig-(api-machinery|auth|instrumentation)\]", ""),
    (r"sig-cli\]", ""),
    (r"sig-apps\]", ""),
    (r"(k8s\.io|sig-node|sig-scheduling)\]", _LONG),
    (r"k8s\.io\] Probing", ""),
    (r"k8s\.io\] Variable", ""),
    (r"sig-storage\]", ""),
    (r"sig-network\]", ""),
)
_VERDICT = re.compile(r'^\W*\{"msg":"(PASSED|FAILED) (.*?)","total"')
_HOURS = 2


@dataclass(frozen=True)
class Expectations:
    """`left_out` are not run, `failing` are run and fail; each a text found in the spec's name, and the reason."""

    left_out: Mapping[str, str]
    failing: Mapping[str, str]

    @staticmethod
    def read(path: Path) -> Expectations:
        told = yaml.safe_load(path.read_text())
        return Expectations(told["left out"] or {}, told["failing"] or {})

    def why_failing(self, spec: str) -> str | None:
        return next((why for part, why in self.failing.items() if part in spec), None)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("built", type=Path, help="where Kubernetes' programs lie")
    parser.add_argument("--only", default="", help="a regular expression of specs' names, in one process")
    parser.add_argument(
        "--up", default="", help="more flags of `kctl up`, as --up='--store etcd --apiservers 2'"
    )
    parser.add_argument("--record", type=Path, help="write every spec's outcome there")
    parser.add_argument(
        "--logs", type=Path, default=Path("/tmp/kctl-conformance"), help="what the suite says"
    )
    options = parser.parse_args()
    os.environ["KCTL_KUBERNETES"] = str(options.built)
    options.logs.mkdir(parents=True, exist_ok=True)
    expectations = Expectations.read(HERE / "expected.yaml")

    started = time.monotonic()
    with _site(options.built, options.logs, options.up.split()) as cluster:
        outcomes = dict(_play(options.built, cluster, options.logs, options.only, expectations))
    minutes = (time.monotonic() - started) / 60
    if options.record:
        options.record.write_text(
            "".join(f"{verdict}\t{spec}\n" for spec, verdict in sorted(outcomes.items()))
        )
    return _tell(outcomes, expectations, minutes, options.logs, whole=not options.only)


@contextmanager
def _site(built: Path, logs: Path, up: Sequence[str]) -> Iterator[Cluster]:
    """A cluster of two nodes that holds the suite's images, and upstream's controllers at work in it."""
    with running("conformance", "--nodes", "2", *up) as cluster:
        for image in catalogue(built):
            archive = logs / "image.tar"
            write_archive(image, archive)
            cluster.run("kctl", "images", "import", cluster.name, str(archive), timeout_s=120).checked()
            archive.unlink()
        with kube_controller_manager(cluster, *_CONTROLLERS):
            yield cluster


def _play(
    built: Path, cluster: Cluster, logs: Path, only: str, expectations: Expectations
) -> Iterator[tuple[str, str]]:
    """(spec, PASSED or FAILED) of every spec that ran."""
    left_out = "|".join(re.escape(part) for part in expectations.left_out)
    alone = r"\[(Serial|Disruptive)\]"
    conformance = r".*\[Conformance\]"
    if only:
        rounds: Sequence[Sequence[tuple[str, str]]] = [[(only, left_out)]]
    else:
        together = [
            (rf"\[{share}{conformance}", "|".join(filter(None, (alone, but_for, left_out))))
            for share, but_for in _SHARES
        ]
        rounds = [together, [(rf"{alone}{conformance}", left_out)]]
    for number, shares in enumerate(rounds):
        logged = [logs / f"{number}-{index}.log" for index in range(len(shares))]
        suites = [
            _suite(built, cluster, log, focus, skip)
            for log, (focus, skip) in zip(logged, shares, strict=True)
        ]
        for suite in suites:
            suite.wait(_HOURS * 3600)
        for log in logged:
            for line in log.read_text(errors="replace").splitlines():
                if found := _VERDICT.match(line):
                    yield found[2], found[1]


def _suite(built: Path, cluster: Cluster, log: Path, focus: str, skip: str) -> subprocess.Popen[bytes]:
    command = [
        *(str(built / "e2e.test"), "-ginkgo.noColor", f"-ginkgo.focus={focus}", f"-ginkgo.skip={skip}"),
        *(f"-kubeconfig={cluster.kubeconfig}", "-provider=skeleton", "-minStartupPods=0"),
        f"-kubectl-path={built / 'kubectl'}",
    ]
    with log.open("wb") as out:
        return subprocess.Popen(
            command, stdout=out, stderr=out, cwd=cluster.scratch, env=cluster.environment()
        )


def _tell(
    outcomes: Mapping[str, str], expectations: Expectations, minutes: float, logs: Path, whole: bool
) -> int:
    passed = [spec for spec, verdict in outcomes.items() if verdict == "PASSED"]
    failed = [spec for spec, verdict in outcomes.items() if verdict == "FAILED"]
    known = [(spec, why) for spec in failed if (why := expectations.why_failing(spec))]
    unexpected = [spec for spec in failed if not expectations.why_failing(spec)]
    mended = [spec for spec in passed if expectations.why_failing(spec)]
    print(
        f"{len(outcomes)} specs in {minutes:.0f} min: {len(passed)} passed, {len(failed)} failed; {logs}/*.log"
    )
    for spec, why in known:
        print(f"  known    {spec}\n           {why}")
    for spec in unexpected:
        print(f"  FAILED   {spec}")
    for spec in mended:
        print(f"  PASSES NOW, strike it from expected.yaml: {spec}")
    if whole:
        for part, why in expectations.left_out.items():
            print(f"  left out {part}\n           {why}")
    return 1 if unexpected or mended or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
