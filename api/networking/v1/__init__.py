"""Kinds of traffic: who reaches what, and by which address."""

PACKAGE = "io.k8s.api.networking.v1"
GROUP = "networking.k8s.io"
VERSION = "v1"
