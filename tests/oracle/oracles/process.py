"""The oracle's process: upstream's libraries, asked a question a line (tools/upstream/oracle).

    with Oracle(binary) as ask:
        ask({"fn": "quantity", "text": "1Ki"})   → {"out": ...} or {"error": text}

A question that makes upstream's code panic is answered {"panic": text}.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

Answer = dict[str, Any]
Request = dict[str, Any]
Ask = Callable[[Request], Answer]


class Oracle:
    def __init__(self, binary: Path) -> None:
        self._binary = binary

    def __enter__(self) -> Ask:
        self._process = subprocess.Popen([self._binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._ask

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, request: Request) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(request) + b"\n")
        self._process.stdin.flush()
        answer: Answer = orjson.loads(self._process.stdout.readline())
        return answer
