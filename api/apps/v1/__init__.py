"""Kinds that keep other kinds' objects in number and in shape."""

PACKAGE = "io.k8s.api.apps.v1"
GROUP = "apps"
VERSION = "v1"
