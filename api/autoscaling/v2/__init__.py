"""Scaling by what is used, by any metric."""

PACKAGE = "io.k8s.api.autoscaling.v2"
GROUP = "autoscaling"
VERSION = "v2"
