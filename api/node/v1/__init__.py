"""How nodes run pods."""

PACKAGE = "io.k8s.api.node.v1"
GROUP = "node.k8s.io"
VERSION = "v1"
