"""Kubernetes' CEL libraries. The explicit list; what the engine brings along is named in `environment.py`.

Source: Kubernetes "Common Expression Language in Kubernetes", Kubernetes CEL libraries.
"""

from __future__ import annotations

from machinery.cel import addresses, formats, lists, quantities, texts, urls, versions
from machinery.cel.function import Function, WrongType

# Both quantities and versions have these; the value says whose it is.
_SHARED = ("isLessThan", "isGreaterThan", "compareTo")


def _either(name: str) -> Function:
    of_quantity, of_version = quantities.COMPARISONS[name], versions.COMPARISONS[name]

    def call(left: object, right: object) -> object:
        try:
            return of_quantity(left, right)
        except WrongType:
            return of_version(left, right)

    return Function(name, ("map", "map"), "int" if name == "compareTo" else "bool", call, True)


LIBRARY: tuple[Function, ...] = (
    *lists.FUNCTIONS,
    *texts.FUNCTIONS,
    *urls.FUNCTIONS,
    *quantities.FUNCTIONS,
    *versions.FUNCTIONS,
    *addresses.FUNCTIONS,
    *formats.FUNCTIONS,
    *(_either(name) for name in _SHARED),
)
