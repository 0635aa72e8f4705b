"""The kinds of rbac.authorization.k8s.io/v1."""

PACKAGE = "io.k8s.api.rbac.v1"
GROUP = "rbac.authorization.k8s.io"
VERSION = "v1"
