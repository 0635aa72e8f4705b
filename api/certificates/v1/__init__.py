"""Requests for certificates."""

PACKAGE = "io.k8s.api.certificates.v1"
GROUP = "certificates.k8s.io"
VERSION = "v1"
