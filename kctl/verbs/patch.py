"""`kctl patch`: sends a patch as it is written, in JSON or YAML."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.patching import JSON, MERGE, STRATEGIC, send_patch
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, report, select
from kctl.session import Session

USAGE = "patch (-f FILE | TYPE NAME) (-p PATCH | --patch-file FILE) [flags]"
EXAMPLES = (
    (
        "Change the image",
        """kctl patch pod web -p '{"spec":{"containers":[{"name":"web","image":"web:2"}]}}'""",
    ),
    (
        "With a JSON patch",
        """kctl patch deploy web --type=json -p '[{"op":"remove","path":"/spec/paused"}]'""",
    ),
)
_TYPES = {
    "strategic": STRATEGIC,
    "merge": MERGE,
    "json": JSON,
}
FLAGS = (
    Flag("patch", "p", default="", help="the patch"),
    Flag("patch-file", default="", help="a file with the patch"),
    Flag("type", default="strategic", choices=tuple(_TYPES), help="strategic, merge or json"),
    Flag("subresource", default="", help="patch a subresource: status or scale"),
    Flag("field-manager", default="kubectl-patch", help="name that owns the change"),
    *FILE_FLAGS,
    DRY_RUN,
    OUTPUT,
)


def run(options: Options, session: Session) -> int:
    patch = _read_patch(options)
    for found in select(options, session, read=True):
        assert found.obj is not None
        answer = send_patch(
            options,
            session,
            found,
            patch,
            _TYPES[options.type],
            manager=options.field_manager,
            subresource=options.subresource,
        )
        same = answer["metadata"].get("resourceVersion") == found.obj["metadata"].get("resourceVersion")
        report(
            options,
            session,
            found,
            "patched (no change)" if same and options.dry_run == "none" else "patched",
            answer,
        )
    return 0


def _read_patch(options: Options) -> Any:
    from machinery.codec.yaml_ import YamlError, load_documents

    if bool(options.patch) == bool(options.patch_file):
        raise Failure("exactly one of --patch and --patch-file is required")
    try:
        text = options.patch.encode() if options.patch else open(options.patch_file, "rb").read()  # noqa: SIM115
        documents = [d.value for d in load_documents(text)]
    except (OSError, YamlError) as error:
        raise Failure(f"unable to parse the patch: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict | list):
        raise Failure("unable to parse the patch: one JSON or YAML object is expected")
    return documents[0]
