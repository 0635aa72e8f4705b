"""Kinds of storage and its drivers."""

PACKAGE = "io.k8s.api.storage.v1"
GROUP = "storage.k8s.io"
VERSION = "v1"
