"""The kinds of autoscaling/v1."""

PACKAGE = "io.k8s.api.autoscaling.v1"
GROUP = "autoscaling"
VERSION = "v1"
