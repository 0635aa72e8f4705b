"""The kinds of discovery.k8s.io/v1."""

PACKAGE = "io.k8s.api.discovery.v1"
GROUP = "discovery.k8s.io"
VERSION = "v1"
