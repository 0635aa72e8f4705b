"""`kctl cluster-info`: where the API server and the cluster's own services are."""

from __future__ import annotations

from kctl.flags import Options
from kctl.session import Session

USAGE = "cluster-info"
EXAMPLES = (("Where am I", "kctl cluster-info"),)
FLAGS = ()


def run(options: Options, session: Session) -> int:
    server = session.config.server
    query = [("labelSelector", "kubernetes.io/cluster-service=true")]
    services = session.rest.get("/api/v1/namespaces/kube-system/services", query)["items"]
    print(f"Kubernetes control plane is running at {server}", file=session.out)
    for service in services:
        meta = service["metadata"]
        name = (meta.get("labels") or {}).get("kubernetes.io/name") or meta["name"]
        ports = service["spec"].get("ports") or [{}]
        port = f":{ports[0]['name']}" if ports[0].get("name") else ""
        path = f"/api/v1/namespaces/kube-system/services/{meta['name']}{port}/proxy"
        print(f"{name} is running at {server}{path}", file=session.out)
    return 0
