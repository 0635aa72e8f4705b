"""Paths of files within a volume or a host's directory."""

from __future__ import annotations

from api.validation.errors import Errors


def validate_no_backsteps(errors: Errors, value: str, path: str) -> None:
    if ".." in value.split("/"):
        errors.invalid(path, value, "must not contain '..'")


def validate_local_path(errors: Errors, value: str, path: str) -> None:
    """A path below some directory of ours: relative, and never out of it."""
    if value.startswith("/"):
        errors.invalid(path, value, "must be a relative path")
    validate_no_backsteps(errors, value, path)


def validate_file_path(errors: Errors, value: str, path: str) -> None:
    """As above, and not starting with two dots, which atomic updates of volumes use themselves."""
    validate_local_path(errors, value, path)
    if value.startswith("..") and not value.startswith("../"):
        errors.invalid(path, value, "must not start with '..'")
