"""`kctl expose`: a Service that leads to the pods of a workload, a pod or another Service."""

from __future__ import annotations

from typing import Any

from kctl.creating import post, with_saved_config
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, Found, report, select
from kctl.session import Session

Obj = dict[str, Any]
USAGE = "expose (-f FILE | TYPE NAME) [--port=PORT] [--target-port=PORT] [--name=NAME] [--type=TYPE] [flags]"
EXAMPLES = (("Port 80 leads to the pods' 8080", "kctl expose deployment web --port=80 --target-port=8080"),)
FLAGS = (
    Flag("port", default="", help="port of the Service; the containers' ports if not given"),
    Flag("target-port", default="", help="port or port name of the pods; the Service's port if not given"),
    Flag("protocol", default="", help="TCP, UDP or SCTP"),
    Flag("name", default="", help="name of the Service; the object's if not given"),
    Flag("type", default="", help="ClusterIP, NodePort, LoadBalancer or ExternalName"),
    Flag("cluster-ip", default="", help="address of the Service; None for a headless one"),
    Flag("external-ip", default="", help="a further address that leads to the Service"),
    Flag("load-balancer-ip", default="", help="address for a LoadBalancer"),
    Flag("session-affinity", default="", choices=("", "None", "ClientIP"), help="None or ClientIP"),
    Flag("labels", "l", default="", help="labels of the Service, as KEY=VALUE,..."),
    Flag("selector", default="", help="labels of the pods, as KEY=VALUE,...; the object's if not given"),
    Flag("save-config", type="bool", default=False, help="remember what was given, for a later apply"),
    Flag("field-manager", default="kubectl-expose", help="name that owns the fields"),
    Flag("validate", bare="strict", default="strict", hidden=True),
    *FILE_FLAGS,
    DRY_RUN,
    OUTPUT,
)
_KINDS = ("Pod", "Service", "ReplicationController", "Deployment", "ReplicaSet", "StatefulSet")


def run(options: Options, session: Session) -> int:
    # `--selector` here is the Service's own, not what chooses objects.
    targets = Options({**vars(options)["_values"], "selector": ""}, options.args, [], set())
    for found in select(targets, session, read=True):
        if found.info.gvr.kind not in _KINDS:
            raise Failure(f"cannot expose a {found.info.gvr.kind}")
        service = plan(options, found)
        info = session.mapper.find("services")
        if session.options.namespace or options.dry_run != "client":
            service["metadata"]["namespace"] = found.namespace
        placed = Found(info, found.namespace, service["metadata"]["name"], service)
        saved = with_saved_config(service) if options.save_config else service
        answer = saved if options.dry_run == "client" else post(options, session, placed, saved)
        report(options, session, placed, "exposed", answer)
    return 0


def plan(options: Options, found: Found) -> Obj:
    """The Service. Raises Failure."""
    assert found.obj is not None
    obj = found.obj
    selector = pairs(options.selector, "--selector") or selector_of(found)
    labels = pairs(options.labels, "--labels") or obj["metadata"].get("labels") or {}
    ports = _ports(options, found)
    spec: Obj = {"selector": selector, "ports": ports}
    for field, value in (
        ("type", options.type),
        ("clusterIP", options.cluster_ip),
        ("loadBalancerIP", options.load_balancer_ip),
        ("sessionAffinity", options.session_affinity),
    ):
        if value:
            spec[field] = value
    if options.external_ip:
        spec["externalIPs"] = [options.external_ip]
    meta: Obj = {"name": (options.name or found.name)[:63], **({"labels": labels} if labels else {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def pairs(text: str, flag: str) -> dict[str, str]:
    """`a=b,c=d`."""
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise Failure(f"invalid {flag}: {part!r} is not KEY=VALUE")
        found[key] = value
    return found


def selector_of(found: Found) -> dict[str, str]:
    """The labels by which the object's pods are found."""
    assert found.obj is not None
    kind, spec = found.info.gvr.kind, found.obj["spec"]
    if kind == "Pod":
        labels = found.obj["metadata"].get("labels") or {}
        if not labels:
            raise Failure(
                "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed"
            )
        return dict(labels)
    if kind in ("Service", "ReplicationController"):
        selector = spec.get("selector") or {}
    else:
        selector = (spec.get("selector") or {}).get("matchLabels") or {}
        if spec.get("selector", {}).get("matchExpressions"):
            raise Failure("couldn't convert expressions of the selector to a map-based selector format")
    if not selector:
        raise Failure("couldn't retrieve selectors via --selector flag or introspection: none is defined")
    return dict(selector)


def _ports(options: Options, found: Found) -> list[Obj]:
    declared = _declared_ports(found)
    wanted = [part for part in options.port.split(",") if part]
    if not wanted:
        wanted = list(dict.fromkeys(str(number) for number, _ in declared))
    if not wanted and options.cluster_ip != "None":
        raise Failure(
            "couldn't find port via --port flag or introspection\nSee 'kctl expose -h' for help and examples"
        )
    ports = []
    for index, text in enumerate(wanted):
        if not text.isdigit():
            raise Failure(f"invalid --port={text}: a number is expected")
        protocols = (
            [options.protocol] if options.protocol else [p for n, p in declared if str(n) == text] or ["TCP"]
        )
        for protocol in dict.fromkeys(protocols):
            target: int | str = options.target_port or text
            target = int(target) if str(target).isdigit() else target
            port: Obj = {"protocol": protocol, "port": int(text), "targetPort": target}
            if len(wanted) > 1 or len(protocols) > 1:
                port = {
                    "name": f"port-{index + 1}{f'-{protocol.lower()}' if len(protocols) > 1 else ''}",
                    **port,
                }
            ports.append(port)
    return ports


def _declared_ports(found: Found) -> list[tuple[int, str]]:
    assert found.obj is not None
    spec = found.obj["spec"]
    if found.info.gvr.kind == "Service":
        return [(port["port"], port.get("protocol", "TCP")) for port in spec.get("ports") or ()]
    pod = spec if found.info.gvr.kind == "Pod" else spec["template"]["spec"]
    return [
        (port["containerPort"], port.get("protocol", "TCP"))
        for container in pod["containers"]
        for port in container.get("ports") or ()
    ]
