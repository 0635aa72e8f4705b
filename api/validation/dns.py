"""A pod's name resolution and names: dnsPolicy, dnsConfig, hostname, hostAliases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from api.validation.addresses import validate_ip
from api.validation.errors import Errors
from machinery import names

Obj = dict[str, Any]

_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_NAMESERVERS, _MAX_SEARCHES, _MAX_SEARCH_CHARS = 3, 32, 2048
_LONGEST_HOSTNAME = 64
_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH = rf"{_LABEL}(\.{_LABEL})*"
_SEARCH_SHAPE = re.compile(_SEARCH)
_SEARCH_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    "start and end with an alphanumeric character"
)


def validate_dns_policy(errors: Errors, spec: Obj, path: str) -> None:
    errors.one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _POLICIES, required=True)


def validate_dns_config(errors: Errors, spec: Obj, path: str) -> None:
    policy, config, at = spec.get("dnsPolicy"), spec.get("dnsConfig"), f"{path}.dnsConfig"
    if policy == "None" and config is None:
        errors.required(at, "must provide `dnsConfig` when `dnsPolicy` is None")
    if config is None:
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if policy == "None" and not servers:
        message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        errors.required(f"{at}.nameservers", message)
        return
    if len(servers) > _MAX_NAMESERVERS:
        message = f"must not have more than {_MAX_NAMESERVERS} nameservers"
        errors.invalid(f"{at}.nameservers", servers, message)
    for index, server in enumerate(servers):
        validate_ip(errors, server, f"{at}.nameservers[{index}]")
    if len(searches) > _MAX_SEARCHES:
        errors.invalid(f"{at}.searches", searches, f"must not have more than {_MAX_SEARCHES} search paths")
    if len(" ".join(searches).encode()) > _MAX_SEARCH_CHARS:
        message = (
            f"must not have more than {_MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        )
        errors.invalid(f"{at}.searches", searches, message)
    for index, search in enumerate(searches):
        if search != ".":
            bare = search.removesuffix(".")
            errors.invalid_each(f"{at}.searches[{index}]", bare, _search_path(bare))
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.required(f"{at}.options[{index}]", "must not be empty")


def _search_path(value: str) -> Iterable[str]:
    """A subdomain in which underscores may stand."""
    if len(value.encode()) > names.MAX_SUBDOMAIN:
        yield names.max_length_error(names.MAX_SUBDOMAIN)
    if not _SEARCH_SHAPE.fullmatch(value):
        yield names.regex_error(_SEARCH_MESSAGE, _SEARCH, "example.com")


def validate_hostname_override(errors: Errors, spec: Obj, path: str) -> None:
    override, at = spec.get("hostnameOverride"), f"{path}.hostnameOverride"
    if override is None:
        return
    if spec.get("setHostnameAsFQDN"):
        errors.forbidden(at, "may not be specified when setHostnameAsFQDN is true")
    if spec.get("hostNetwork"):
        errors.forbidden(at, "may not be specified when hostNetwork is true")
    if len(override.encode()) > _LONGEST_HOSTNAME:
        errors.too_long(at, _LONGEST_HOSTNAME)
    errors.invalid_each(at, override, names.dns1123_subdomain(override))


def validate_host_aliases(errors: Errors, aliases: Iterable[Obj] | None, path: str) -> None:
    for index, alias in enumerate(aliases or ()):
        validate_ip(errors, alias.get("ip", ""), f"{path}[{index}].ip")
        for position, host in enumerate(alias.get("hostnames") or ()):
            at = f"{path}[{index}].hostnames[{position}]"
            errors.invalid_each(at, host, names.dns1123_subdomain(host))
