"""Kinds of the core group: pods and all they need."""

PACKAGE = "io.k8s.api.core.v1"
GROUP = ""
VERSION = "v1"
