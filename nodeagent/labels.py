"""Labels and annotations the agent writes on sandboxes and containers, and reads back after a restart."""

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
CONTAINER_TYPE = "io.kubernetes.container.type"  # init, sidecar, container, ephemeral

CONTAINER_HASH = "io.kubernetes.container.hash"
TERMINATION_MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
TERMINATION_MESSAGE_HOST_PATH = "io.kubernetes.container.terminationMessageHostPath"
PRE_STOP = "io.kubernetes.container.preStopHandler"  # JSON
POD_GRACE = "io.kubernetes.pod.terminationGracePeriod"
