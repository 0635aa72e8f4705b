"""What upstream's libraries answered, replayed: our functions must answer the same.

`recorded/<area>.jsonl.xz` holds pairs of a request and upstream's answer, a line each, as `fresh.py --record` wrote them.
Fresh questions are asked by `make oracle`, which needs Go.
"""

from __future__ import annotations

import lzma
from pathlib import Path

import orjson
import pytest
from oracles import areas

RECORDED = Path(__file__).parent / "recorded"


@pytest.mark.parametrize("name", sorted(areas.AREAS))
def test_recorded_question_is_answered_as_upstream_does(name: str) -> None:
    wrong = []
    asked = 0
    with lzma.open(RECORDED / f"{name}.jsonl.xz") as lines:
        for line in lines:
            request, theirs = orjson.loads(line)
            asked += 1
            if found := areas.compared(areas.AREAS[name], request, theirs):
                wrong.append(f"{orjson.dumps(request).decode()[:1500]}\n{found}")
    assert asked
    assert not wrong, f"{len(wrong)} of {asked} differ, the first:\n" + "\n\n".join(wrong[:3])
