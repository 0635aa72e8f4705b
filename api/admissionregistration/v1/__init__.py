"""Who has a say before an object is stored."""

PACKAGE = "io.k8s.api.admissionregistration.v1"
GROUP = "admissionregistration.k8s.io"
VERSION = "v1"
