"""Kinds by the version in which 1.20 has them, where it has their shape under an older name."""

OLDER = {
    "batch/v1 CronJob": "batch/v1beta1",
    "policy/v1 PodDisruptionBudget": "policy/v1beta1",
    "autoscaling/v2 HorizontalPodAutoscaler": "autoscaling/v2beta2",
    "discovery.k8s.io/v1 EndpointSlice": "discovery.k8s.io/v1beta1",
}
