"""The kinds of authentication.k8s.io/v1."""

PACKAGE = "io.k8s.api.authentication.v1"
GROUP = "authentication.k8s.io"
VERSION = "v1"
