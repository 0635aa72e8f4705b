"""The kinds of coordination.k8s.io/v1."""

PACKAGE = "io.k8s.api.coordination.v1"
GROUP = "coordination.k8s.io"
VERSION = "v1"
