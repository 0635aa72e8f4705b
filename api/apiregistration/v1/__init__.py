"""Who serves which group."""

PACKAGE = "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1"
GROUP = "apiregistration.k8s.io"
VERSION = "v1"
