"""`-o`: from its value to the way objects are printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TextIO

from kctl.flags import UsageError

Obj = dict[str, Any]
Kind = Literal["table", "wide", "json", "yaml", "name", "jsonpath", "jsonpath-as-json", "custom-columns"]
_PLAIN: dict[str, Kind] = {"wide": "wide", "json": "json", "yaml": "yaml", "name": "name"}
_WITH_TEXT: dict[str, Kind] = {
    "jsonpath": "jsonpath",
    "jsonpath-as-json": "jsonpath-as-json",
    "custom-columns": "custom-columns",
}
_WITH_FILE: dict[str, Kind] = {"jsonpath-file": "jsonpath", "custom-columns-file": "custom-columns"}


class OutputFormat(NamedTuple):
    """`text` is the template of jsonpath and custom-columns."""

    kind: Kind
    text: str = ""

    @property
    def is_table(self) -> bool:
        return self.kind in ("table", "wide")

    @property
    def wide(self) -> bool:
        return self.kind == "wide"

    def print_all(
        self,
        out: TextIO,
        objects: Sequence[Obj],
        *,
        as_list: bool,
        keep_managed_fields: bool = False,
        headers: bool = True,
    ) -> None:
        """Several objects become one List where the format has no other way (`as_list`)."""
        if not keep_managed_fields:
            for obj in objects:
                (obj.get("metadata") or {}).pop("managedFields", None)
        if self.kind == "name":
            for obj in objects:
                out.write(object_name(obj) + "\n")
        elif self.kind == "custom-columns":
            from kctl.printers.custom_columns import print_custom_columns

            print_custom_columns(out, self.text, objects, headers=headers)
        else:
            whole = _as_list(objects) if as_list else objects[0]
            self._print_one(out, whole)

    def _print_one(self, out: TextIO, obj: Obj) -> None:
        if self.kind == "yaml":
            from machinery.codec.yaml_ import dump

            out.write(dump(obj))
        elif self.kind.startswith("jsonpath"):
            from machinery.jsonpath import compile as compile_path

            template = compile_path(self.text)
            if self.kind == "jsonpath":
                out.write(template.render(obj))
            else:
                out.write(
                    json.dumps(template.values(obj), indent=4, sort_keys=True, ensure_ascii=False) + "\n"
                )
        else:
            out.write(json.dumps(obj, indent=4, sort_keys=True, ensure_ascii=False) + "\n")


def parse_output(text: str, template: str = "") -> OutputFormat:
    """Raises UsageError for what is no format."""
    if not text:
        return OutputFormat("jsonpath", template) if template else OutputFormat("table")
    kind, equals, rest = text.partition("=")
    if kind in _PLAIN and not equals:
        return OutputFormat(_PLAIN[kind])
    if kind in _WITH_TEXT:
        rest = rest or template
        if not rest:
            raise UsageError(f"{kind} needs a template: -o {kind}=...")
        return OutputFormat(_WITH_TEXT[kind], rest)
    if kind in _WITH_FILE:
        return _from_file(kind, rest or template)
    if kind.startswith("go-template") or kind in ("template", "templatefile"):
        raise UsageError(
            f"-o {kind} needs Go's template engine, which kctl does not have; say it in JSONPath: "
            "-o jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'"
        )
    known = ", ".join((*_PLAIN, *(f"{k}=..." for k in (*_WITH_TEXT, *_WITH_FILE))))
    raise UsageError(
        f'unable to match a printer suitable for the output format "{text}": one of {known} is expected'
    )


def _from_file(kind: str, path: str) -> OutputFormat:
    try:
        with open(path) as file:
            text = file.read()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if kind == "custom-columns-file":
        from kctl.printers.custom_columns import columns_of_file

        text = columns_of_file(text)
    return OutputFormat(_WITH_FILE[kind], text)


def object_name(obj: Obj) -> str:
    """`deployment.apps/web`, `pod/web-0`."""
    group = obj["apiVersion"].rpartition("/")[0]
    kind = obj["kind"].lower()
    return f"{kind}.{group}/{obj['metadata']['name']}" if group else f"{kind}/{obj['metadata']['name']}"


def _as_list(objects: Sequence[Obj]) -> Obj:
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}
