"""What could follow on a command line, for the shells' completion scripts: `kctl __complete WORDS... CURRENT`.

Candidates are printed one a line, with a tab and a description where there is one; the last line is `:` and a
number as cobra's programs print it: 0 lets the shell offer files, 4 does not, 6 leaves the cursor at the word.
Nothing else is ever printed: whatever goes wrong means no candidates.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from kctl.command import COMMANDS, PARTS, Command
from kctl.flags import GLOBAL_FLAGS, Flag, parse

FILES, NO_FILES, NO_SPACE = 0, 4, 6
_TIMEOUT_S = 2.0
Pair = tuple[str, str]  # word, description


class Answer(NamedTuple):
    pairs: list[Pair]
    directive: int = NO_FILES


class Line(NamedTuple):
    """A command line up to the word that is being written. `module` is the verb's, None before there is one."""

    command: Command | None
    module: Any
    flags: tuple[Flag, ...]
    words: list[str]  # after the verb
    current: str


def print_candidates(words: Sequence[str]) -> int:
    answer = Answer([])
    with suppress(Exception):
        answer = complete(list(words[:-1]), words[-1] if words else "")
    for word, text in answer.pairs:
        print(f"{word}\t{text}" if text else word)
    print(f":{answer.directive}")
    return 0


def complete(before: list[str], current: str) -> Answer:
    """The candidates that begin with `current`."""
    line = _read(before, current)
    if line.command is None:
        pending = _pending_flag(GLOBAL_FLAGS, line.words)
        if pending is not None:
            return _flag_values(pending, line._replace(words=line.words[:-1]), current)
        if line.words and not line.words[0].startswith("-"):
            return Answer([])
        return _matching([(c.name, c.summary) for c in COMMANDS], current)
    if "--" in line.words and getattr(line.module, "COMMAND_AFTER_DASHES", False):
        return Answer([], FILES)
    if line.module is None:
        return _matching([(word, text) for word, _, text in line.command.subcommands], current)
    pending = _pending_flag(line.flags, line.words)
    if pending is not None:
        return _flag_values(pending, line._replace(words=line.words[:-1]), current)
    if current.startswith("-"):
        name, equals, value = current.partition("=")
        flag = next((f for f in line.flags if f"--{f.name}" == name), None)
        if equals and flag is not None:
            found = _flag_values(flag, line, value)
            return found._replace(pairs=[(f"{name}={word}", text) for word, text in found.pairs])
        shown = [(f"--{f.name}", f.help) for f in line.flags if not f.hidden]
        return _matching(shown, current)
    return _arguments(line)


def _matching(pairs: Sequence[Pair], current: str, directive: int = NO_FILES) -> Answer:
    return Answer(sorted({(w, t) for w, t in pairs if w.startswith(current)}), directive)


def _read(before: list[str], current: str) -> Line:
    from kctl.__main__ import _split_leading_flags, find_command, verb_flags

    leading, words = _split_leading_flags(before)
    command = find_command(words[0]) if words else None
    if command is None or command.group == PARTS:
        return Line(command, None, GLOBAL_FLAGS, words or leading, current)
    module_name, rest = command.module, words[1:]
    if command.subcommands:
        sub = command.find_sub(rest[0]) if rest else None
        if sub is not None:
            module_name, rest = sub[1], rest[1:]
        elif not (command.stands_alone and (rest or current.startswith("-"))):
            return Line(command, None, GLOBAL_FLAGS, [], current)
    module = importlib.import_module(module_name)
    return Line(command, module, verb_flags(module), [*leading, *rest], current)


def _pending_flag(flags: Sequence[Flag], words: Sequence[str]) -> Flag | None:
    """The flag whose value is being written."""
    if not words or not words[-1].startswith("-") or "=" in words[-1]:
        return None
    names = {f"--{f.name}": f for f in flags} | {f"-{f.short}": f for f in flags if f.short}
    flag = names.get(words[-1])
    return flag if flag and flag.type != "bool" and flag.bare is None else None


def _flag_values(flag: Flag, line: Line, current: str) -> Answer:
    if flag.choices:
        return _matching([(choice, "") for choice in flag.choices if choice], current)
    source = _FLAG_SOURCES.get(flag.name)
    if source is None:
        return Answer([], FILES)
    return _matching([(word, "") for word in source(line)], current)


def _session(line: Line) -> Any:
    from kctl.session import Session

    limit = f"--request-timeout={_TIMEOUT_S}"
    return Session(parse(line.flags, [limit, *line.words]))


def _names(line: Line, word: str) -> list[str]:
    session = _session(line)
    gvr = session.mapper.find(word).gvr
    namespace = session.namespace if gvr.namespaced else ""
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    answer = session.rest.get(gvr.path(namespace), [("limit", "500")], accept)
    return [item["metadata"]["name"] for item in answer["items"]]


def _types(line: Line) -> list[str]:
    infos = _session(line).mapper.discovered
    return [str(info.gvr) for info in infos if "list" in info.verbs or "get" in info.verbs]


def _contexts(line: Line, section: str = "contexts") -> list[str]:
    from kctl.kubeconfig_edit import merged

    kubeconfig = next((w.partition("=")[2] for w in line.words if w.startswith("--kubeconfig=")), None)
    return list(merged(kubeconfig)[section])


def _containers(line: Line) -> list[str]:
    from kctl.pods_of import containers_of, one_pod

    session = _session(line)
    return containers_of(one_pod(session, session.options.args[:1]))


def _clusters(line: Line) -> list[str]:
    import os

    home = os.environ.get("KCTL_HOME") or os.path.join(os.path.expanduser("~"), ".kctl")
    return [name for name in os.listdir(home) if os.path.isdir(os.path.join(home, name))]


_FLAG_SOURCES: dict[str, Callable[[Line], Sequence[str]]] = {
    "namespace": lambda line: _names(line, "namespaces"),
    "context": _contexts,
    "cluster": lambda line: _contexts(line, "clusters"),
    "user": lambda line: _contexts(line, "users"),
    "container": _containers,
    "output": lambda line: ("json", "yaml", "name", "wide", "jsonpath=", "custom-columns="),
    "serviceaccount": lambda line: _names(line, "serviceaccounts"),
}

# What the words of a verb are, by its module's last name. Verbs that are not here take files or anything.
_TYPES_AND_NAMES = (
    "get", "describe", "delete", "edit", "patch", "label", "annotate", "wait", "expose",
)  # fmt: skip
_SLASHED = {
    "scale": ("deployments", "replicasets"),
    "set_image": ("deployments", "pods", "replicasets"),
    "set_env": ("deployments", "pods", "replicasets"),
    "rollout_status": ("deployments",),
    "rollout_history": ("deployments",),
    "rollout_undo": ("deployments",),
    "rollout_restart": ("deployments",),
    "rollout_pause": ("deployments",),
    "rollout_resume": ("deployments",),
}
_LISTS: dict[str, tuple[int, Callable[[Line], Sequence[str]]]] = {  # (how many words, whence)
    "logs": (1, lambda line: _names(line, "pods")),
    "exec_": (1, lambda line: _names(line, "pods")),
    "attach": (1, lambda line: _names(line, "pods")),
    "port_forward": (1, lambda line: _names(line, "pods")),
    "cordon": (99, lambda line: _names(line, "nodes")),
    "uncordon": (99, lambda line: _names(line, "nodes")),
    "drain": (99, lambda line: _names(line, "nodes")),
    "explain": (1, _types),
    "config_use_context": (1, _contexts),
    "config_set_context": (1, _contexts),
    "config_rename_context": (1, _contexts),
    "config_delete_context": (1, _contexts),
    "config_get_contexts": (99, _contexts),
    "config_set_cluster": (1, lambda line: _contexts(line, "clusters")),
    "config_delete_cluster": (1, lambda line: _contexts(line, "clusters")),
    "config_set_credentials": (1, lambda line: _contexts(line, "users")),
    "config_delete_user": (1, lambda line: _contexts(line, "users")),
    "completion": (1, lambda line: ("bash", "zsh", "fish")),
    "create_secret": (1, lambda line: ("generic", "docker-registry", "tls")),
    "create_service": (1, lambda line: ("clusterip", "nodeport", "loadbalancer", "externalname")),
    "create_token": (1, lambda line: _names(line, "serviceaccounts")),
    "up": (1, _clusters),
    "down": (1, _clusters),
    "status": (1, _clusters),
}


def _arguments(line: Line) -> Answer:
    verb = line.module.__name__.rpartition(".")[2]
    words = parse(line.flags, line.words).args
    current = line.current
    if verb == "taint":
        return _taint(line, words)
    if verb == "cp":
        found = _matching([(f"{name}:", "") for name in _names(line, "pods")], current, NO_SPACE)
        return found if found.pairs else Answer([], FILES)
    if verb in _LISTS:
        most, source = _LISTS[verb]
        chosen = [word for word in source(line) if word not in words] if len(words) < most else []
        return _matching([(word, "") for word in chosen], current)
    if verb in _SLASHED:
        return _slashed(line, _SLASHED[verb])
    if verb in _TYPES_AND_NAMES:
        return _types_and_names(line, words)
    return Answer([], FILES)


def _types_and_names(line: Line, words: list[str]) -> Answer:
    current = line.current
    kind, slash, _ = current.partition("/")
    if slash:
        return _matching([(f"{kind}/{name}", "") for name in _names(line, kind)], current)
    if words and "/" not in words[0]:
        return _matching([(name, "") for name in _names(line, words[0]) if name not in words], current)
    done, comma, _ = current.rpartition(",")
    return _matching([(done + comma + word, "") for word in _types(line)], current)


def _slashed(line: Line, kinds: Sequence[str]) -> Answer:
    kind, slash, _ = line.current.partition("/")
    if not slash:
        return _matching(
            [(f"{singular.removesuffix('s')}/", "") for singular in kinds], line.current, NO_SPACE
        )
    return _matching([(f"{kind}/{name}", "") for name in _names(line, kind)], line.current)


def _taint(line: Line, words: list[str]) -> Answer:
    names = _names(line, "nodes") if words else ["nodes"]
    return _matching([(name, "") for name in names if name not in words], line.current)
