"""Which scalar fields of built-in kinds mean something by being there with a zero value.

Go writes fields that are plain values into protobuf even when they are zero, and pointers only when they
are set. JSON leaves a zero plain value out. So a decoded zero is dropped, unless the field is a pointer in
Go: then `replicas: 0` and `runAsNonRoot: false` are what the sender said. Schema does not know pointers;
these names do.
"""

from __future__ import annotations

_NUMBERS = """
    activeDeadlineSeconds averageUtilization backoffLimit backoffLimitPerIndex completions defaultMode
    deletionGracePeriodSeconds endPort expirationSeconds failedJobsHistoryLimit fsGroup gracePeriodSeconds
    leaseDurationSeconds leaseTransitions maxFailedIndexes minDomains minReplicas mode
    parallelism partition priority progressDeadlineSeconds remainingItemCount replicas retryAfterSeconds
    revisionHistoryLimit runAsGroup runAsUser stabilizationWindowSeconds startingDeadlineSeconds
    successfulJobsHistoryLimit succeededCount targetCPUUtilizationPercentage terminationGracePeriodSeconds
    terminating tolerationSeconds ttlSecondsAfterFinished value exitCode currentReplicas desiredReplicas
"""
_BOOLEANS = """
    allocateLoadBalancerNodePorts allowPrivilegeEscalation allowVolumeExpansion attachRequired
    automountServiceAccountToken blockOwnerDeletion controller enableServiceLinks hostProcess hostUsers
    immutable manualSelector namespaced optional orphanDependents podInfoOnMount preserveUnknownFields privileged
    protectedContainers ready readOnlyRootFilesystem requiresRepublish runAsNonRoot seLinuxMount serving
    setHostnameAsFQDN shareProcessNamespace started storageCapacity suspend terminating
    x-kubernetes-preserve-unknown-fields served storage
"""
_STRINGS = """
    apiGroup claimRef ingressClassName storageClassName volumeAttributesClassName
"""
POINTERS: dict[type, frozenset[str]] = {
    int: frozenset(_NUMBERS.split()),
    float: frozenset(_NUMBERS.split()),
    bool: frozenset(_BOOLEANS.split()),
    str: frozenset(_STRINGS.split()),
}

# IntOrString values that are no pointers: there a zero says nothing, while `maxUnavailable: 0` does.
PLAIN_INT_OR_STRING = frozenset(("port", "targetPort"))
