"""`kctl config view`: the merged kubeconfig; secrets are left out unless asked for with --raw."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, SINGULAR, merged

LOCAL = True
USAGE = "config view [flags]"
EXAMPLES = (
    ("The merged kubeconfig", "kctl config view"),
    ("Only what the current context needs, with its keys, to hand on", "kctl config view --minify --flatten"),
)
FLAGS = (
    *CONFIG_FLAGS,
    Flag("raw", type="bool", default=False, help="show certificates, keys and tokens too"),
    Flag("minify", type="bool", default=False, help="only what the current context uses"),
    Flag("flatten", type="bool", default=False, help="put files' contents in the place of their paths"),
    Flag("context", help="take this for the current context"),
    Flag("output", "o", default="yaml", help="yaml, json, jsonpath=, ..."),
    Flag("merge", type="bool", default=True, help="accepted for kubectl's sake", hidden=True),
)
_SECRETS = {
    "certificate-authority-data": "DATA+OMITTED",
    "client-certificate-data": "DATA+OMITTED",
    "client-key-data": "DATA+OMITTED",
    "token": "REDACTED",
    "password": "REDACTED",
}
_FILES = {"clusters": ("certificate-authority",), "users": ("client-certificate", "client-key")}


def run(options: Options) -> int:
    config = merged(options.kubeconfig)
    if options.context:
        config["current-context"] = options.context
    if options.minify:
        config = _minified(config)
    if options.flatten:
        _flatten(config)
    if not options.raw and not options.flatten:
        config = _without_secrets(config)
    shown = _wire_form(config)
    if options.output == "json":
        sys.stdout.write(json.dumps(shown, indent=4, ensure_ascii=False) + "\n")
        return 0
    from kctl.printers.printer import parse_output

    parse_output(options.output).print_all(sys.stdout, [shown], as_list=False)
    return 0


def _minified(config: dict[str, Any]) -> dict[str, Any]:
    name = config["current-context"]
    if name not in config["contexts"]:
        raise Failure(
            "cannot locate context " + name if name else "current-context must exist in order to minify"
        )
    context = config["contexts"][name]
    kept = {"contexts": name, "clusters": context.get("cluster", ""), "users": context.get("user", "")}
    chosen = {section: {n: v for n, v in config[section].items() if n == kept[section]} for section in kept}
    return {**chosen, "current-context": name}


def _flatten(config: dict[str, Any]) -> None:
    for section, fields in _FILES.items():
        for value in config[section].values():
            for field in fields:
                path = value.pop(field, None)
                if path and not value.get(f"{field}-data"):
                    try:
                        with open(path, "rb") as file:
                            value[f"{field}-data"] = base64.b64encode(file.read()).decode()
                    except OSError as error:
                        raise Failure(f"cannot read {path}: {error.strerror}") from error


def _without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    return {
        section: {
            name: {field: _SECRETS.get(field, text) for field, text in value.items()}
            for name, value in content.items()
        }
        if section in SINGULAR
        else content
        for section, content in config.items()
    }


def _wire_form(config: dict[str, Any]) -> dict[str, Any]:
    """Sections as lists again, in the order in which kubectl writes them; null where there are none."""
    lists = {
        section: [{"name": name, singular: config[section][name]} for name in sorted(config[section])] or None
        for section, singular in SINGULAR.items()
    }
    return {
        "kind": "Config",
        "apiVersion": "v1",
        "preferences": {},
        "clusters": lists["clusters"],
        "users": lists["users"],
        "contexts": lists["contexts"],
        "current-context": config["current-context"],
    }
