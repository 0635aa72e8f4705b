"""`kctl explain`: what a kind is and which fields it has, from the server's own OpenAPI documents."""

from __future__ import annotations

from kctl.explaining import Document, explain
from kctl.failure import Failure
from kctl.flags import Flag, Options, UsageError
from kctl.mapper import ResourceInfo
from kctl.session import Session

USAGE = "explain TYPE[.FIELD...] [flags]"
EXAMPLES = (
    ("A kind", "kctl explain deployment"),
    ("One field", "kctl explain pod.spec.containers.resources"),
    ("All fields of all fields", "kctl explain deployment.spec --recursive"),
)
FLAGS = (
    Flag("api-version", default="", help="explain this version, as GROUP/VERSION"),
    Flag("recursive", type="bool", default=False, help="the fields of fields too, without descriptions"),
    Flag("output", "o", default="plaintext", help="plaintext"),
)


def run(options: Options, session: Session) -> int:
    if not options.args:
        raise Failure(
            'You must specify the type of resource to explain. Use "kctl api-resources" for a complete list of '
            "supported resources."
        )
    if len(options.args) > 1:
        raise Failure("We accept only this format: explain RESOURCE")
    if options.output != "plaintext":
        raise UsageError(f"-o {options.output} is not known; plaintext is")
    info, path = _target(session, options.args[0], options.api_version)
    key = f"apis/{info.gvr.api_version}" if info.gvr.group else f"api/{info.gvr.version}"
    paths = session.rest.get("/openapi/v3")["paths"]
    if key not in paths:
        raise Failure(f"the server has no OpenAPI document for {info.gvr.api_version}")
    document = Document(session.rest.get(paths[key]["serverRelativeURL"]))
    session.out.write(explain(info.gvr, document, path, recursive=options.recursive))
    return 0


def _target(session: Session, text: str, api_version: str) -> tuple[ResourceInfo, list[str]]:
    """`pods.spec`, `deployments.apps.spec`: the kind, and the fields below it."""
    word, *path = text.rstrip(".").split(".")
    info = session.mapper.find(word)
    for count in range(len(path), 0, -1):
        group = ".".join(path[:count])
        if any(i.gvr.group == group and _is(i, word) for i in session.mapper.discovered):
            info, path = session.mapper.find(f"{word}.{group}"), path[count:]
            break
    if not api_version:
        return info, path
    for candidate in session.mapper.discovered:
        if candidate.gvr.api_version == api_version and candidate.gvr.resource == info.gvr.resource:
            return candidate, path
    raise Failure(f'couldn\'t find resource for "{api_version}, Resource={info.gvr.resource}"')


def _is(info: ResourceInfo, word: str) -> bool:
    return word.lower() in (info.gvr.resource, info.singular, *info.short_names)
