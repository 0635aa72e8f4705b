"""Judging objects: every error at once, with the paths, reasons and words that clients of Kubernetes know."""
