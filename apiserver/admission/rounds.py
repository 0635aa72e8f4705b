"""What one request remembers of those that may change it, between the first round of mutation and the second.

A round is `begin`, then for each that was asked `changed` (where it made a difference) and `asked_again` (where it
wants to see later changes), then `end`. Source: KEP-2146 (reinvocation).
"""

from __future__ import annotations

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from machinery.objects import deep_copy


class Rounds:
    def __init__(self) -> None:
        self.has_changed = False
        self._eager: set[str] = set()  # asked, and would like to be asked again
        self._due: set[str] = set()  # to be asked in the second round
        self._last: Obj | None = None

    @classmethod
    def of(cls, request: AdmissionRequest, name: str) -> Rounds:
        rounds: Rounds = request.memory.setdefault(name, cls())
        return rounds

    def begin(self, request: AdmissionRequest) -> None:
        self.has_changed = False
        if request.again and self._last != request.obj:
            self._want()  # somebody else changed it since

    def is_due(self, request: AdmissionRequest, id_: str) -> bool:
        return not request.again or id_ in self._due

    def changed(self, request: AdmissionRequest) -> None:
        self.has_changed = True
        self._want()
        request.reinvoke = True

    def asked_again(self, id_: str) -> None:
        self._eager.add(id_)

    def end(self, request: AdmissionRequest) -> None:
        # The object is kept by value: it is changed in place. Once nobody wants a second look nothing is kept.
        self._last = deep_copy(request.obj) if self._eager and not request.again else None

    def _want(self) -> None:
        self._due |= self._eager
        self._eager.clear()
