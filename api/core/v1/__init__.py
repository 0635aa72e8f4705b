"""The kinds of v1."""

PACKAGE = "io.k8s.api.core.v1"
GROUP = ""
VERSION = "v1"
