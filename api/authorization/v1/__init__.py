"""The kinds of authorization.k8s.io/v1."""

PACKAGE = "io.k8s.api.authorization.v1"
GROUP = "authorization.k8s.io"
VERSION = "v1"
