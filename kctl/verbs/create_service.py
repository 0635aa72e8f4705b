"""`kctl create service`: clusterip, nodeport, loadbalancer or externalname."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session

USAGE = "create service (clusterip | nodeport | loadbalancer | externalname) NAME [flags]"
EXAMPLES = (
    ("Port 80 of the Service leads to the pods' 8080", "kctl create service clusterip web --tcp=80:8080"),
    ("Headless", 'kctl create service clusterip db --clusterip="None"'),
    ("Another name for a host", "kctl create service externalname db --external-name=db.example.com"),
)
FLAGS = (
    Flag("tcp", type="list", default=[], help="ports, as PORT or PORT:TARGET"),
    Flag("clusterip", default="", help="address of the Service; None for a headless one"),
    Flag("node-port", type="int", default=0, help="port on every node"),
    Flag("external-name", default="", help="the host that an externalname Service stands for"),
    *CREATE_FLAGS,
)
_TYPES = {
    "clusterip": "ClusterIP",
    "nodeport": "NodePort",
    "loadbalancer": "LoadBalancer",
    "externalname": "ExternalName",
}


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    if not options.args or options.args[0] not in _TYPES:
        raise Failure(f"the kind of service is expected first: {', '.join(_TYPES)}")
    if len(options.args) != 2:
        raise Failure(f"exactly one NAME is required, got {len(options.args) - 1}")
    kind, name = _TYPES[options.args[0]], options.args[1]
    headless = options.clusterip == "None"
    if not options.tcp and not headless and kind != "ExternalName":
        raise Failure("at least one tcp port specifier must be provided")
    if kind == "ExternalName" and not options.external_name:
        raise Failure('required flag(s) "external-name" not set')
    spec: dict[str, Any] = {"type": kind, "selector": {"app": name}}
    ports = [_port(text) for text in options.tcp]
    if kind == "NodePort" and options.node_port:
        for port in ports:
            port["nodePort"] = options.node_port
    if ports:
        spec["ports"] = ports
    if options.clusterip:
        spec["clusterIP"] = options.clusterip
    if kind == "ExternalName":
        spec["externalName"] = options.external_name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def _port(text: str) -> dict[str, Any]:
    first, colon, second = text.partition(":")
    if not first.isdigit() or not 0 <= int(first) <= 65535 or (colon and not second):
        raise Failure(f"invalid port {text!r}: PORT or PORT:TARGET is expected, up to 65535")
    target: int | str = int(first)
    if colon:
        target = int(second) if second.isdigit() else second
    return {"name": text.replace(":", "-"), "protocol": "TCP", "port": int(first), "targetPort": target}
