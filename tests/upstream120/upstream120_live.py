"""`make upstream-120`: the questions at kube-apiserver 1.20 and at ours, and where the answers differ.

    python tests/upstream120/upstream120_live.py [--only 'kind-*'] [--record] [--show]

--only chooses scenarios (and leaves out the tables' cases), --record writes 1.20's answers to fixtures/, --show prints them.
Ends with 1 where a difference is not accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))
sys.path.insert(0, str(Path(__file__).parents[1] / "upstream"))
sys.path.insert(0, str(Path(__file__).parent))

from kube120_questions import asked, judged, scenarios
from kube120_server import kube_apiserver
from upstream_compare import Difference, accepted, differences
from upstream_live import lines
from upstream_ours import serving

Obj = dict[str, Any]
HERE = Path(__file__).parent
FAILURES = (AssertionError, LookupError, OSError, TimeoutError)


def of_cases(theirs: list[Obj], mine: list[Obj]) -> list[Difference]:
    """Of the tables' cases: those that both were asked."""
    ours = {each["step"]: each for each in mine}
    pairs = [(each, ours[each["step"]]) for each in theirs if each["step"] in ours]
    return [found for pair in pairs for found in differences("judged", [pair[0]], [pair[1]])]


async def compared(options: argparse.Namespace, scratch: Path) -> int:
    recorded: dict[str, dict[str, list[Obj]]] = {}
    found: list[Difference | str] = []
    asked_for = 0
    async with kube_apiserver(scratch) as real, serving() as ours:
        today = {told["name"]: told for each in scenarios().values() for told in each}
        for file, told_of in scenarios(old=True).items():
            for told in told_of:
                name = told["name"]
                if not fnmatchcase(name, options.only):
                    continue
                try:
                    theirs = recorded.setdefault(file, {})[name] = await asked(real, told)
                    mine = await asked(ours, today[name])
                except FAILURES as error:
                    found.append(f"{name}: could not be asked: {error!r}")
                    continue
                asked_for += len(theirs)
                found += differences(name, theirs, mine)
        if options.only == "*":
            theirs = await judged(real, old=True)
            recorded["judged"] = {"judged": theirs}
            asked_for += len(theirs)
            found += of_cases(theirs, await judged(ours))
    if options.show:
        print(json.dumps(recorded, indent=1))
    reasons = accepted(HERE / "accepted.yaml")
    wrong = [
        each for each in found if isinstance(each, str) or not any(reason.covers(each) for reason in reasons)
    ]
    print(*wrong, sep="\n")
    print(f"{asked_for} answers compared, {len(found)} differ, {len(wrong)} of them are not accepted")
    if options.record:
        for file, answers in recorded.items():
            path = HERE / "fixtures" / f"{file}.json"
            kept = json.loads(path.read_text()) if path.exists() and options.only != "*" else {}
            path.write_text(lines({**kept, **answers}))
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="*")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upstream120-") as scratch:
        return asyncio.run(compared(options, Path(scratch)))


if __name__ == "__main__":
    sys.exit(main())
