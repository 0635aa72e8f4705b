"""Who is asking: tokens and reviews of them."""

PACKAGE = "io.k8s.api.authentication.v1"
GROUP = "authentication.k8s.io"
VERSION = "v1"
