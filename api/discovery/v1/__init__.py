"""Where the endpoints of services are."""

PACKAGE = "io.k8s.api.discovery.v1"
GROUP = "discovery.k8s.io"
VERSION = "v1"
