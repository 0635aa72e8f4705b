"""Patches: four ways to say what shall change. See README.md.

Every function takes plain values and gives a new one; none changes what it was given.
"""


class PatchError(ValueError):
    """The patch cannot be read or does not fit the object; the message is for the client."""


__all__ = ["PatchError"]
