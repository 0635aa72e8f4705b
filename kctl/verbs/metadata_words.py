"""What `label` and `annotate` share: `KEY=VALUE` sets, `KEY-` removes."""

from __future__ import annotations

from collections.abc import Sequence

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.patching import MERGE, send_patch
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, SELECTOR_FLAGS, report, select
from kctl.session import Session

FLAGS = (
    Flag("overwrite", type="bool", default=False, help="change what is set already"),
    Flag("list", type="bool", default=False, help="print what is set"),
    Flag("resource-version", default="", help="only if the object has this resourceVersion"),
    Flag("field-manager", default="", help="name that owns the change"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    DRY_RUN,
    OUTPUT,
)


def split_words(args: Sequence[str], *, from_files: bool) -> tuple[list[str], dict[str, str | None]]:
    """(words that name objects, changes; None removes). `KEY-` is a change only after what names objects."""
    names: list[str] = []
    changes: dict[str, str | None] = {}
    for index, word in enumerate(args):
        key, equals, value = word.partition("=")
        is_removal = not equals and word.endswith("-") and (index > 0 or from_files)
        if not equals and not is_removal:
            if changes:
                raise Failure(f"{word!r} is neither KEY=VALUE nor KEY-")
            names.append(word)
            continue
        key = word[:-1] if is_removal else key
        if key in changes:
            raise Failure(f"can not both modify and remove {key!r} in the same command")
        changes[key] = None if is_removal else value
    return names, changes


def change_metadata(options: Options, session: Session, field: str, done: str) -> int:
    """`field` is labels or annotations."""
    names, changes = split_words(options.args, from_files=bool(options.filename))
    if not changes and not options.list:
        raise Failure(f"at least one {field[:-1]} update is required: KEY=VALUE, or KEY- to remove")
    for found in select(options, session, read=True, args=names):
        assert found.obj is not None
        present = found.obj["metadata"].get(field) or {}
        if options.list:
            for key, value in sorted(present.items()):
                print(f"{key}={value}", file=session.out)
            continue
        clash = [k for k, v in changes.items() if v is not None and present.get(k, v) != v]
        if clash and not options.overwrite:
            key = clash[0]
            raise Failure(f"'{key}' already has a value ({present[key]}), and --overwrite is false")
        missing = [key for key, value in changes.items() if value is None and key not in present]
        for key in missing:
            print(f'{field[:-1]} "{key}" not found.', file=session.out)
        needed = {k: v for k, v in changes.items() if present.get(k) != v}
        if not needed:
            report(options, session, found, "not " + done if field == "labels" else done, found.obj)
            continue
        metadata: dict[str, object] = {field: needed}
        if options.resource_version:
            metadata["resourceVersion"] = options.resource_version
        manager = options.field_manager or ("kubectl-label" if field == "labels" else "kubectl-annotate")
        answer = send_patch(options, session, found, {"metadata": metadata}, MERGE, manager=manager)
        word = "unlabeled" if field == "labels" and all(v is None for v in needed.values()) else done
        report(options, session, found, word, answer)
    return 0
