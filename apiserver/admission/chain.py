"""The admission plugins, in upstream's order. This table is the one place that says which ones run.

Source: the recommended plugin order of kube-apiserver. The last one stands in for upstream's checks
within the storage of roles.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from apiserver.admission.admission import AdmissionChain
from apiserver.admission.default_tolerations import DefaultTolerationSeconds
from apiserver.admission.lookup import lookup_in
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.pod_security import PodSecurity
from apiserver.admission.priority import Priority
from apiserver.admission.rbac_escalation import RBACEscalation
from apiserver.admission.service_account import ServiceAccount
from apiserver.admission.taint_nodes import TaintNodesByCondition
from apiserver.auth.escalation import EscalationCheck
from apiserver.storage.store import Store
from machinery.clock import Clock


def admission_chain(
    store: Callable[[str, str], Store], clock: Clock, rng: random.Random, escalation: EscalationCheck | None
) -> AdmissionChain:
    """`store` finds a resource's Store by (group, plural). `escalation` is None where nobody is authorized by
    roles (a simulation without RBAC)."""
    namespaces = lookup_in(store("", "namespaces"))
    return (
        NamespaceLifecycle(namespaces),
        ServiceAccount(lookup_in(store("", "serviceaccounts")), rng, clock),
        NodeRestriction(lookup_in(store("", "pods")), lookup_in(store("", "nodes"))),
        TaintNodesByCondition(),
        PodSecurity(namespaces),
        Priority(store("scheduling.k8s.io", "priorityclasses")),
        DefaultTolerationSeconds(),
        *([RBACEscalation(escalation)] if escalation is not None else []),
    )
