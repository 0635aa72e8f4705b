"""Where nodes lie: the labels that say in which zone or the like a volume can be used."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto, atomic


class TopologySelectorLabelRequirement(TypedDict, total=False):
    """Values that one label of a node may have."""

    key: Required[Annotated[str, Proto(1), "The label."]]
    values: Required[Annotated[list[str], Proto(2), ATOMIC, "One of these must be its value."]]


@atomic
class TopologySelectorTerm(TypedDict, total=False):
    """Conditions on the labels of a node; all must hold."""

    matchLabelExpressions: Annotated[
        list[TopologySelectorLabelRequirement], Proto(1), ATOMIC, "Conditions on single labels."
    ]
