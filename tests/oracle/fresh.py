"""Fresh random questions to upstream's libraries and to ours: `make oracle`.

    python tests/oracle/fresh.py BINARY [--area owners] [--seed 1] [--cases 1000] [--show 5] [--record FOLDER]

Prints each difference (the first --show of an area in full) and a count; ends with 1 if there was any. `--record` writes
what was asked and answered, for tests/oracle/recorded.
"""

from __future__ import annotations

import argparse
import lzma
import random
import sys
from pathlib import Path

import orjson

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from oracles import areas  # noqa: E402
from oracles.process import Oracle  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--area", choices=sorted(areas.AREAS), action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--show", type=int, default=5)
    parser.add_argument("--wide", type=int, default=2000, help="characters of a request that are shown")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    wrong = 0
    with Oracle(options.binary) as ask:
        for name in options.area or sorted(set(areas.AREAS) - {"suite"}):
            wrong += _compare(name, ask, options)
    return 1 if wrong else 0


def _compare(name: str, ask: areas.Ask, options: argparse.Namespace) -> int:
    area, asked, differing = areas.AREAS[name], 0, 0
    kept: list[bytes] = []
    seed = options.seed * 1_000_000
    while asked < options.cases:
        seed += 1
        for request, theirs in area.fresh(random.Random(seed), ask):
            asked += 1
            found = areas.compared(area, request, theirs)
            if options.record and not found:
                kept.append(orjson.dumps([request, theirs]))
            if found:
                differing += 1
                if differing <= options.show:
                    print(
                        f"--- {name} {seed}\n{orjson.dumps(request).decode()[: options.wide]}\n{found}\n",
                        flush=True,
                    )
    print(f"{name}: {asked} questions, {differing} answered otherwise", flush=True)
    if options.record:
        options.record.mkdir(exist_ok=True)
        text = b"\n".join(kept) + b"\n"
        (options.record / f"{name}.jsonl.xz").write_bytes(lzma.compress(text, preset=9))
    return differing


if __name__ == "__main__":
    sys.exit(main())
