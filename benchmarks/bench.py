"""What a subject gets from outside: how thorough to be, where to work, and how to say what it is doing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bench:
    """`directory` is the run's own, removed afterwards. `quick` halves repetitions: for a look, not for the record."""

    directory: Path
    quick: bool = False

    def rounds(self, wanted: int) -> int:
        return max(2, wanted // 3) if self.quick else wanted

    def say(self, text: str) -> None:
        print(f"  · {text}", file=sys.stderr, flush=True)
