"""The kinds of apps/v1."""

PACKAGE = "io.k8s.api.apps.v1"
GROUP = "apps"
VERSION = "v1"
