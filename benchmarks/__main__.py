"""`python -m benchmarks [--quick] [SUBJECT...]`: measure, print, write results/ and RESULTS.md.

Exit code 0 when every subject ran, also when a target is missed: figures are for reading; 1 when a subject broke.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from benchmarks import machine, report
from benchmarks.bench import Bench
from benchmarks.clusters import ROOT
from benchmarks.rows import Skipped, skipped_row
from benchmarks.subjects import SUBJECTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=" ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    options = parser.parse_args()
    unknown = [name for name in options.subjects if name not in SUBJECTS]
    if unknown:
        parser.error(f"no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    compile_packages()
    broken = []
    for name in options.subjects or SUBJECTS:
        print(f"\n{name}", flush=True)
        described = machine.describe()
        directory = Path(tempfile.mkdtemp(prefix=f"kctl-bench-{name}-"))
        started = time.monotonic()
        try:
            rows = SUBJECTS[name](Bench(directory, options.quick))
        except Skipped as why:
            print(f"  SKIPPED {name}: {why}", file=sys.stderr)
            rows = [skipped_row(name, str(why))]
        except Exception:
            traceback.print_exc()
            broken.append(name)
            continue
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        described["load_after"] = machine.load_now()
        report.save(name, described, rows, time.monotonic() - started)
        print(report.table(rows), flush=True)
    path = report.write_markdown(list(SUBJECTS))
    print(f"\nwritten: {path.name} and results/", flush=True)
    if broken:
        print(f"broken: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def compile_packages() -> None:
    """Byte code for our own packages, as `pip install` leaves it: some environments forbid Python to write it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in sorted(ROOT.glob("*/__init__.py")):
        compileall.compile_dir(package.parent, quiet=2)


if __name__ == "__main__":
    sys.exit(main())
