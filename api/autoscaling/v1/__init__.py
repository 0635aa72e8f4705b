"""Scale, the subresource of everything scalable."""

PACKAGE = "io.k8s.api.autoscaling.v1"
GROUP = "autoscaling"
VERSION = "v1"
