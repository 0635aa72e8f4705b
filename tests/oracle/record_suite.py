"""The cases of structured-merge-diff's own suite, from the lines that `suite/record.sh` wrote, as a fixture and a list.

    python tests/oracle/record_suite.py FOLDER      (merge.jsonl and typed.jsonl)

Writes recorded/suite.jsonl.xz and the table of docs/checklists/structured-merge-diff.md.
"""

from __future__ import annotations

import lzma
import sys
from collections import Counter, defaultdict
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from oracles import suite  # noqa: E402

LIST = ROOT / "docs/checklists/structured-merge-diff.md"
MARK = "<!-- the table below is written by tests/oracle/record_suite.py -->\n"
_ANSWER = ("owners", "out", "conflicts", "error", "same", "test", "gone")


def main(folder: Path) -> None:
    kept: list[bytes] = []
    seen: set[bytes] = set()
    asked: dict[str, Counter[str]] = defaultdict(Counter)
    for name in ("merge", "typed"):
        for line in (folder / f"{name}.jsonl").read_bytes().splitlines():
            request = orjson.loads(line)
            test = request["test"]
            # merge's tests call typed on their way; those calls are part of the write.
            if name == "typed" and not test.startswith("typed_test"):
                continue
            once = orjson.dumps({**request, "test": ""}, option=orjson.OPT_SORT_KEYS)
            if once in seen:
                continue
            seen.add(once)
            where = f"{name}: {test.split('.')[1]}"
            if why := suite.why_not(request):
                asked[where][why] += 1
                continue
            asked[where]["covered"] += 1
            question = {key: value for key, value in request.items() if key not in _ANSWER}
            kept.append(orjson.dumps([question, suite.theirs(request)]))
    (Path(__file__).parent / "recorded").mkdir(exist_ok=True)
    text = b"\n".join(kept) + b"\n"
    (Path(__file__).parent / "recorded/suite.jsonl.xz").write_bytes(lzma.compress(text, preset=9))
    rows = ["| test | covered | not applicable |", "|---|---|---|"]
    for where, counts in sorted(asked.items()):
        covered = counts.pop("covered", 0)
        rows.append(
            f"| {where} | {covered} | " + "; ".join(f"{n}: {why}" for why, n in counts.items()) + " |"
        )
    head = LIST.read_text().split(MARK)[0]
    LIST.write_text(head + MARK + "\n".join(rows) + "\n")
    print(len(kept), "cases")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
