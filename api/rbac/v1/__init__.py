"""Roles and who has them."""

PACKAGE = "io.k8s.api.rbac.v1"
GROUP = "rbac.authorization.k8s.io"
VERSION = "v1"
