"""Kinds that users define."""

PACKAGE = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
GROUP = "apiextensions.k8s.io"
VERSION = "v1"
