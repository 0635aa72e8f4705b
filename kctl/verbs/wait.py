"""`kctl wait`: until a condition holds, a field has a value, or the objects exist or are gone."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.selection import FILE_FLAGS, SELECTOR_FLAGS, Found, select
from kctl.session import Session
from kctl.watching import deadline_after, states
from machinery.errors import NotFound

Obj = dict[str, Any]
USAGE = "wait (-f FILE | TYPE NAME | TYPE -l SELECTOR) --for=(condition=NAME[=VALUE] | jsonpath=EXPR[=VALUE] | delete | create)"
EXAMPLES = (
    ("Until a pod is ready", "kctl wait pod/web-0 --for=condition=Ready"),
    ("Until a field has a value", "kctl wait pod/web-0 --for=jsonpath='{.status.phase}'=Running"),
    ("Until pods are gone", "kctl wait pods -l app=web --for=delete --timeout=60s"),
)
FLAGS = (
    Flag("for", default="", help="what to wait for"),
    Flag(
        "timeout", type="duration", default=30.0, help="for each object; 0 looks once, negative waits a week"
    ),
    Flag("output", "o", default="", help="how to print an object that holds"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
)


class _Condition:
    """`met` says whether an object (None: absent) fulfils what was asked; `word` is what is then printed."""

    def __init__(self, text: str) -> None:
        self.kind, _, rest = text.partition("=")
        self.kind = self.kind.lower()
        if self.kind in ("delete", "create") and not rest:
            self.word = "deleted" if self.kind == "delete" else "condition met"
            return
        self.word = "condition met"
        if self.kind == "condition" and rest:
            self._name, _, value = rest.partition("=")
            self._value = value or "True"
        elif self.kind == "jsonpath" and rest:
            from machinery.jsonpath import compile as compile_path

            expression, brace, value = rest.rpartition("}")
            path = expression + brace if brace else rest.partition("=")[0]
            value = value if brace else "=" * ("=" in rest) + rest.partition("=")[2]
            self._path = compile_path(path if path.startswith("{") else "{" + path + "}")
            self._value = value[1:].strip("'\"") if value.startswith("=") else ""
        else:
            raise Failure(
                f'unrecognized condition: "{text}"; condition=NAME, jsonpath=EXPR=VALUE, delete or create is expected'
            )

    def met(self, obj: Obj | None) -> bool:
        if self.kind == "delete":
            return obj is None
        if obj is None:
            return False
        if self.kind == "create":
            return True
        if self.kind == "jsonpath":
            found = self._path.values(obj)
            return any(str(value) == self._value for value in found) if self._value else bool(found)
        generation = obj["metadata"].get("generation", 0)
        for condition in (obj.get("status") or {}).get("conditions") or ():
            if condition["type"].lower() == self._name.lower():
                if condition.get("observedGeneration", generation) < generation:
                    return False
                return bool(condition["status"].lower() == self._value.lower())
        return False


def run(options: Options, session: Session) -> int:
    text = getattr(options, "for")
    if not text:
        raise Failure("--for is required: condition=NAME, jsonpath=EXPR=VALUE, delete or create")
    condition = _Condition(text)
    targets = list(select(options, session))
    if not targets:
        if condition.kind == "delete":
            return 0
        raise Failure("no matching resources found")
    code = 0
    for found in targets:
        try:
            _wait(options, session, found, condition)
        except TimeoutError:
            print(
                f"error: timed out waiting for the condition on {found.info.gvr.resource}/{found.name}",
                file=session.err,
            )
            code = 1
    return code


def _wait(options: Options, session: Session, found: Found, condition: _Condition) -> None:
    deadline = deadline_after(options.timeout or 1e-9)
    for obj in states(session, found, deadline):
        if obj is None and condition.kind not in ("delete", "create"):
            raise NotFound(f'{found.info.gvr} "{found.name}" not found')
        if condition.met(obj):
            if options.output and obj is not None:
                from kctl.printers.printer import parse_output

                parse_output(options.output).print_all(session.out, [obj], as_list=False)
            else:
                print(f"{found} {condition.word}", file=session.out)
            return
    raise TimeoutError
