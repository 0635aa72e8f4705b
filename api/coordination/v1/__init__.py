"""Leases."""

PACKAGE = "io.k8s.api.coordination.v1"
GROUP = "coordination.k8s.io"
VERSION = "v1"
