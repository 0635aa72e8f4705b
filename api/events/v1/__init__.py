"""The kinds of events.k8s.io/v1."""

PACKAGE = "io.k8s.api.events.v1"
GROUP = "events.k8s.io"
VERSION = "v1"
