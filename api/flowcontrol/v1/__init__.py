"""Which requests go first."""

PACKAGE = "io.k8s.api.flowcontrol.v1"
GROUP = "flowcontrol.apiserver.k8s.io"
VERSION = "v1"
