"""`kctl create -f`: creates the objects of files. One from flags has a word of its own: `kctl create configmap`."""

from __future__ import annotations

from kctl.creating import CREATE_FLAGS, post, validation_query, with_saved_config
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.manifest_files import read_manifests, with_labels
from kctl.selection import FILE_FLAGS, dry_run_query, place, report
from kctl.session import Session, explain_failure
from machinery.errors import ApiError

USAGE = "create -f FILE [flags]   (or: create KIND NAME [flags])"
EXAMPLES = (
    ("From a file", "kctl create -f pod.yaml"),
    ("From flags", "kctl create configmap page --from-file=index.html"),
    ("Only print what would be created", "kctl create deployment web --image=web:1 --dry-run=client -o yaml"),
)
FLAGS = (
    *FILE_FLAGS,
    *CREATE_FLAGS,
    Flag("raw", default="", help="POST the one file to this path"),
    Flag("selector", "l", default="", help="only objects with these labels"),
)


def run(options: Options, session: Session) -> int:
    if not options.filename:
        raise Failure("must specify one of -f and -k, or a kind: kctl create -f FILE, kctl create KIND NAME")
    if options.args:
        raise Failure(
            f"create -f takes no other words, got {' '.join(options.args)!r}. "
            "See 'kctl create -h' for help and examples"
        )
    if options.raw:
        return _raw(options, session)
    failed = 0
    validation_query(options)
    manifests = read_manifests(options.filename, recursive=options.recursive)
    for manifest in with_labels(manifests, options.selector):
        try:
            found = place(session, manifest.obj, manifest.source)
            obj = with_saved_config(manifest.obj) if options.save_config else manifest.obj
            answer = obj if options.dry_run == "client" else post(options, session, found, obj)
        except ApiError as error:
            error.message = f'error when creating "{manifest.file}": {error.message}'
            print(explain_failure(error), file=session.err)
            failed += 1
            continue
        report(options, session, found, "created", answer)
    return 1 if failed else 0


def _raw(options: Options, session: Session) -> int:
    import json

    manifests = read_manifests(options.filename)
    if len(manifests) != 1:
        raise Failure("--raw can only use a single file with one object")
    data = json.dumps(manifests[0].obj).encode()
    answer = session.rest.raw(
        "POST", options.raw, dry_run_query(options), data, content_type="application/json"
    )
    session.out.write(answer.decode(errors="replace"))
    return 0
