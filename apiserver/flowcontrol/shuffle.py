"""Shuffle sharding: deals each flow a hand of queues, so that two flows seldom share all of theirs.

A noisy flow fills its own hand; another one finds a queue of its hand that is not in it, but for a chance of one in
thousands (64 queues, hands of 6: 4 noisy flows shut out a fifth with a chance of 0.1 %).
"""

from __future__ import annotations

import hashlib


def deal(schema: str, flow: str, queues: int, hand_size: int) -> tuple[int, ...]:
    """`hand_size` different numbers below `queues`, always the same ones for the same flow."""
    digest = hashlib.sha256(f"{schema}\n{flow}".encode()).digest()
    entropy = int.from_bytes(digest, "big")
    hand: list[int] = []
    for dealt in range(min(hand_size, queues)):
        entropy, card = divmod(entropy, queues - dealt)
        # The card counts among those that are left: step over every one that was dealt before.
        for taken in sorted(hand):
            if card >= taken:
                card += 1
        hand.append(card)
    return tuple(hand)
