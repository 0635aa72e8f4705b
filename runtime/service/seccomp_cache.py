"""Seccomp filters ready for the wire: each profile is compiled once and kept.

In comes what a container asked for; out comes base64 of the BPF program, "" for unconfined. A Localhost
profile is an OCI or Docker profile in JSON below the profile directory. Raises ConfigError.
"""

from __future__ import annotations

import base64
import json
import os

from runtime.cri import SecurityContext
from runtime.linux.capabilities import UnknownCapability, plan_capabilities
from runtime.linux.seccomp import SeccompError, compile_filter, rules_of_profile
from runtime.linux.seccomp_default import plan_default_profile
from runtime.oci.options import ConfigError


class SeccompCache:
    def __init__(self, profile_directory: str) -> None:
        self._directory = profile_directory
        self._defaults: dict[int, str] = {}
        self._localhost: dict[tuple[str, int], str] = {}

    def program(self, security: SecurityContext) -> str:
        profile = security.seccomp
        if profile.type == "Unconfined" or security.privileged:
            return ""
        if profile.type == "Localhost":
            return self._of_file(profile.localhost_path)
        try:
            caps = plan_capabilities(security.add_capabilities, security.drop_capabilities)
        except UnknownCapability as unknown:
            raise ConfigError(str(unknown)) from unknown
        if caps not in self._defaults:
            program = compile_filter(plan_default_profile(caps))
            self._defaults[caps] = base64.b64encode(program).decode()
        return self._defaults[caps]

    def _of_file(self, name: str) -> str:
        path = os.path.normpath(os.path.join(self._directory, name))
        if not path.startswith(self._directory.rstrip("/") + "/"):
            raise ConfigError(f"seccomp profile {name!r} lies outside {self._directory}")
        try:
            key = (path, os.stat(path).st_mtime_ns)
            if key not in self._localhost:
                with open(path, "rb") as file:
                    rules, default = rules_of_profile(json.load(file))
                program = compile_filter(rules, default)
                self._localhost[key] = base64.b64encode(program).decode()
            return self._localhost[key]
        except OSError as missing:
            raise ConfigError(f"cannot load seccomp profile {path}: {missing.strerror}") from missing
        except (SeccompError, ValueError) as wrong:
            raise ConfigError(f"seccomp profile {path}: {wrong}") from wrong
