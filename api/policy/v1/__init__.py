"""Evictions, and the budgets that limit them."""

PACKAGE = "io.k8s.api.policy.v1"
GROUP = "policy"
VERSION = "v1"
