"""Events under their newer names."""

PACKAGE = "io.k8s.api.events.v1"
GROUP = "events.k8s.io"
VERSION = "v1"
