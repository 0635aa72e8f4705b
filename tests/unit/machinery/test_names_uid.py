"""UIDs are version 4 UUIDs, drawn from the randomness that was passed."""

from __future__ import annotations

import random
import uuid

from machinery import names


def test_uid_is_the_uuid_of_the_drawn_bits():
    ours, theirs = random.Random(5), random.Random(5)
    for _ in range(200):
        assert names.uid(ours) == str(uuid.UUID(int=theirs.getrandbits(128), version=4))
