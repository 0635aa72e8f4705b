"""What a verb raises when it cannot do what was asked and the reason is not the API server's."""

from __future__ import annotations


class Failure(Exception):
    """str() says what failed, why, and what to do."""
