"""Which fields an object of a built-in type has even when nobody set them.

Upstream's types are Go structs. A field that is no pointer and that their JSON never leaves out is there from the object's
birth, as a zero: nobody is ever seen to add it, and who takes its value away is seen to change it. Field ownership tells the
difference (`machinery/patch/apply/comparing.py`), so it must be known here.

A required field is such a field, and so is every top-level `metadata`; the tables name what this rule does not give. They
were read off the types themselves (the oracle's function `always`, tools/upstream/oracle/types.go).
"""

from __future__ import annotations

# type → fields that are there from birth although they need not be set
_ALWAYS = {
    "admissionregistration.v1.MutatingAdmissionPolicy": "spec",
    "admissionregistration.v1.MutatingAdmissionPolicyBinding": "spec",
    "admissionregistration.v1.ValidatingAdmissionPolicy": "spec status",
    "apps.v1.ControllerRevision": "data",
    "apps.v1.DaemonSet": "spec status",
    "apps.v1.DaemonSetCondition": "lastTransitionTime",
    "apps.v1.DaemonSetSpec": "updateStrategy",
    "apps.v1.Deployment": "spec status",
    "apps.v1.DeploymentCondition": "lastTransitionTime lastUpdateTime",
    "apps.v1.DeploymentSpec": "strategy",
    "apps.v1.ReplicaSet": "spec status",
    "apps.v1.ReplicaSetCondition": "lastTransitionTime",
    "apps.v1.ReplicaSetSpec": "template",
    "apps.v1.StatefulSet": "spec status",
    "apps.v1.StatefulSetCondition": "lastTransitionTime",
    "apps.v1.StatefulSetOrdinals": "start",
    "apps.v1.StatefulSetSpec": "serviceName updateStrategy",
    "apps.v1.StatefulSetStatus": "availableReplicas",
    "authentication.v1.SelfSubjectReview": "status",
    "authentication.v1.SelfSubjectReviewStatus": "userInfo",
    "authentication.v1.TokenRequest": "spec status",
    "authentication.v1.TokenRequestSpec": "audiences boundObjectRef expirationSeconds",
    "authentication.v1.TokenRequestStatus": "expirationTimestamp token",
    "authentication.v1.TokenReview": "status",
    "authentication.v1.TokenReviewStatus": "user",
    "authorization.v1.LocalSubjectAccessReview": "status",
    "authorization.v1.SelfSubjectAccessReview": "status",
    "authorization.v1.SelfSubjectRulesReview": "status",
    "authorization.v1.SubjectAccessReview": "status",
    "autoscaling.v1.HorizontalPodAutoscaler": "status",
    "autoscaling.v1.Scale": "spec status",
    "autoscaling.v2.HorizontalPodAutoscaler": "status",
    "autoscaling.v2.HorizontalPodAutoscalerCondition": "lastTransitionTime",
    "autoscaling.v2.HorizontalPodAutoscalerStatus": "currentMetrics",
    "batch.v1.CronJob": "status",
    "batch.v1.Job": "spec status",
    "batch.v1.JobCondition": "lastProbeTime lastTransitionTime",
    "batch.v1.JobTemplateSpec": "metadata spec",
    "batch.v1.PodFailurePolicyOnPodConditionsPattern": "status",
    "certificates.v1.CertificateSigningRequest": "status",
    "certificates.v1.CertificateSigningRequestCondition": "lastTransitionTime lastUpdateTime",
    "coordination.v1.Lease": "spec",
    "core.v1.AzureFilePersistentVolumeSource": "secretNamespace",
    "core.v1.Container": "resources",
    "core.v1.ContainerImage": "names",
    "core.v1.ContainerStateRunning": "startedAt",
    "core.v1.ContainerStateTerminated": "finishedAt startedAt",
    "core.v1.ContainerStatus": "lastState state",
    "core.v1.EphemeralContainer": "resources",
    "core.v1.Event": "eventTime firstTimestamp lastTimestamp reportingComponent reportingInstance source",
    "core.v1.EventSeries": "lastObservedTime",
    "core.v1.GRPCAction": "service",
    "core.v1.LimitRange": "spec",
    "core.v1.Namespace": "spec status",
    "core.v1.NamespaceCondition": "lastTransitionTime",
    "core.v1.Node": "spec status",
    "core.v1.NodeCondition": "lastHeartbeatTime lastTransitionTime",
    "core.v1.NodeDaemonEndpoints": "kubeletEndpoint",
    "core.v1.NodeRuntimeHandler": "name",
    "core.v1.NodeStatus": "daemonEndpoints nodeInfo",
    "core.v1.PersistentVolume": "spec status",
    "core.v1.PersistentVolumeClaim": "spec status",
    "core.v1.PersistentVolumeClaimCondition": "lastProbeTime lastTransitionTime",
    "core.v1.PersistentVolumeClaimSpec": "resources",
    "core.v1.PersistentVolumeClaimTemplate": "metadata",
    "core.v1.Pod": "spec status",
    "core.v1.PodCondition": "lastProbeTime lastTransitionTime",
    "core.v1.PodTemplate": "template",
    "core.v1.PodTemplateSpec": "metadata spec",
    "core.v1.ProjectedVolumeSource": "sources",
    "core.v1.ReplicationController": "spec status",
    "core.v1.ReplicationControllerCondition": "lastTransitionTime",
    "core.v1.ResourceFieldSelector": "divisor",
    "core.v1.ResourceQuota": "spec status",
    "core.v1.Service": "spec status",
    "core.v1.ServicePort": "targetPort",
    "core.v1.ServiceStatus": "loadBalancer",
    "core.v1.TypedLocalObjectReference": "apiGroup",
    "core.v1.TypedObjectReference": "apiGroup",
    "discovery.v1.Endpoint": "conditions",
    "discovery.v1.EndpointSlice": "endpoints ports",
    "events.v1.Event": "deprecatedFirstTimestamp deprecatedLastTimestamp deprecatedSource regarding",
    "flowcontrol.v1.FlowSchema": "spec status",
    "flowcontrol.v1.FlowSchemaCondition": "lastTransitionTime",
    "flowcontrol.v1.FlowSchemaSpec": "matchingPrecedence",
    "flowcontrol.v1.LimitedPriorityLevelConfiguration": "limitResponse nominalConcurrencyShares",
    "flowcontrol.v1.PriorityLevelConfiguration": "spec status",
    "flowcontrol.v1.PriorityLevelConfigurationCondition": "lastTransitionTime",
    "flowcontrol.v1.QueuingConfiguration": "handSize queueLengthLimit queues",
    "flowcontrol.v1.ResourcePolicyRule": "namespaces",
    "networking.v1.Ingress": "spec status",
    "networking.v1.IngressClass": "spec",
    "networking.v1.IngressClassParametersReference": "scope",
    "networking.v1.IngressServiceBackend": "port",
    "networking.v1.IngressStatus": "loadBalancer",
    "networking.v1.NetworkPolicy": "spec",
    "networking.v1.NetworkPolicySpec": "podSelector",
    "networking.v1.ServiceCIDR": "spec status",
    "policy.v1.PodDisruptionBudget": "spec status",
    "policy.v1.PodDisruptionBudgetStatus": "currentHealthy desiredHealthy disruptionsAllowed expectedPods",
    "rbac.v1.ClusterRole": "rules",
    "rbac.v1.Role": "rules",
    "rbac.v1.RoleRef": "apiGroup",
    "resource.v1.AllocatedDeviceStatus": "conditions",
    "resource.v1.AllocationResult": "devices",
    "resource.v1.CapacityRequestPolicy": "default",
    "resource.v1.DeviceClaim": "requests",
    "resource.v1.ResourceClaim": "status",
    "resource.v1.ResourceClaimSpec": "devices",
    "resource.v1.ResourceClaimTemplateSpec": "metadata",
    "scheduling.v1.PriorityClass": "value",
    "storage.v1.CSINodeDriver": "topologyKeys",
    "storage.v1.VolumeAttachment": "status",
    "storage.v1.VolumeError": "time",
    "apiextensions.v1.CustomResourceDefinition": "status",
    "apiextensions.v1.CustomResourceDefinitionCondition": "lastTransitionTime",
    "apiextensions.v1.CustomResourceDefinitionStatus": "acceptedNames conditions storedVersions",
}
# type → required fields that JSON leaves out all the same
_NOT_ALWAYS = {
    "admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec": "policyName validationActions",
    "authentication.v1.TokenReviewSpec": "token",
    "core.v1.ContainerRestartRule": "action",
    "core.v1.ContainerRestartRuleOnExitCodes": "operator",
    "core.v1.ImageVolumeStatus": "imageRef",
    "core.v1.PodCertificateProjection": "keyType signerName",
    "networking.v1.IPAddressSpec": "parentRef",
    "networking.v1.ParentReference": "name resource",
    "resource.v1.CapacityRequestPolicyRange": "min",
    "resource.v1.CounterSet": "counters",
    "resource.v1.DeviceCounterConsumption": "counters",
}

_PREFIXES = ("io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apiextensions-apiserver.pkg.apis.")


def short_name(name: str) -> str:
    """A type's full name as the tables have it: `core.v1.Pod`."""
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def always_there(short: str, required: frozenset[str], *, is_kind: bool) -> frozenset[str]:
    """Of the type with this short name."""
    fields = required - set(_NOT_ALWAYS.get(short, "").split())
    fields |= set(_ALWAYS.get(short, "").split())
    return fields | {"metadata"} if is_kind else fields
