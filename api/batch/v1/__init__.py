"""Kinds of work that ends."""

PACKAGE = "io.k8s.api.batch.v1"
GROUP = "batch"
VERSION = "v1"
