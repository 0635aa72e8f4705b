"""Names in domains, whose errors show the part that is wrong: `acme.io/foo`, `hook.acme.io`, `www.acme.io`.

Source: apimachinery util/validation.
"""

from __future__ import annotations

from api.validation.errors import Errors
from machinery import names


def validate_prefixed_path(errors: Errors, value: str, path: str) -> None:
    """`acme.io/foo/bar`: who manages, controls or serves something."""
    if not value:
        errors.required(path)
        return
    domain, _, rest = value.partition("/")
    if not domain or not rest:
        errors.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    errors.invalid_each(path, domain, names.dns1123_subdomain(domain))
    errors.invalid_each(path, rest, names.url_path(rest))


def validate_qualified(errors: Errors, name: str, path: str) -> None:
    """A domain of at least three segments."""
    _validate_segments(errors, name, path, 3, "three")


def validate_host(errors: Errors, name: str, path: str) -> None:
    """A domain of at least two segments, each a label; it may end with a dot."""
    name = name.removesuffix(".") if name else name
    if not _validate_segments(errors, name, path, 2, "two"):
        return
    for label in name.split("."):
        wrong = names.dns1123_label(label)
        if wrong:
            errors.invalid(path, label, ",".join(wrong))
            return


def _validate_segments(errors: Errors, name: str, path: str, least: int, word: str) -> bool:
    wrong = names.dns1123_subdomain(name)
    if not name:
        errors.required(path)
    elif wrong:
        errors.invalid(path, name, ",".join(wrong))
    elif name.count(".") < least - 1:
        errors.invalid(path, name, f"should be a domain with at least {word} segments separated by dots")
    else:
        return True
    return False
