"""A pool of numbers (addresses, ports) of which each is given out once: one bit each, in one big integer.

A fresh number is drawn at random, so that a number just given back is not given to another at once. Pure but for
its own state; randomness comes from outside.
"""

from __future__ import annotations

import random
from itertools import chain

_DRAWS = 16


class Bitmap:
    """Numbers 0 .. size-1."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._bits = bytearray((size + 7) // 8)
        self.used = 0

    @classmethod
    def of(cls, size: int, data: bytes) -> Bitmap:
        """From what `data` gave; shorter is filled up with free numbers, longer is cut off."""
        bitmap = cls(size)
        kept = data[: len(bitmap._bits)]
        bitmap._bits[: len(kept)] = kept
        if size & 7:
            bitmap._bits[-1] &= (1 << (size & 7)) - 1
        bitmap.used = sum(byte.bit_count() for byte in bitmap._bits)
        return bitmap

    @property
    def data(self) -> bytes:
        return bytes(self._bits)

    def has(self, number: int) -> bool:
        return bool(self._bits[number >> 3] & (1 << (number & 7)))

    def take(self, number: int) -> bool:
        """False where it is taken already."""
        if self.has(number):
            return False
        self._bits[number >> 3] |= 1 << (number & 7)
        self.used += 1
        return True

    def give_back(self, number: int) -> None:
        if self.has(number):
            self._bits[number >> 3] &= ~(1 << (number & 7)) & 0xFF
            self.used -= 1

    def take_any(self, rng: random.Random, low: int, high: int) -> int | None:
        """A free number in [low, high), None where there is none."""
        if high <= low:
            return None
        for _ in range(_DRAWS):
            number = rng.randrange(low, high)
            if self.take(number):
                return number
        start = rng.randrange(low, high)
        for number in chain(range(start, high), range(low, start)):
            if self.take(number):
                return number
        return None
