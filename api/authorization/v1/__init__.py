"""Who may do what: reviews of access."""

PACKAGE = "io.k8s.api.authorization.v1"
GROUP = "authorization.k8s.io"
VERSION = "v1"
