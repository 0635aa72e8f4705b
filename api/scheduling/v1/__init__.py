"""Priorities."""

PACKAGE = "io.k8s.api.scheduling.v1"
GROUP = "scheduling.k8s.io"
VERSION = "v1"
