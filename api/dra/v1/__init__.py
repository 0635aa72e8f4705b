"""Devices, and who gets them."""

PACKAGE = "io.k8s.api.resource.v1"
GROUP = "resource.k8s.io"
VERSION = "v1"
