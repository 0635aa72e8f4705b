"""From bytes to values and back: JSON, YAML, Kubernetes' protobuf. Each is bounded in depth and size."""
