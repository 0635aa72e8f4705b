"""The explicit list of what is built in. A new kind is its module and one line here.

Importing this module imports no kind; `load()` imports their modules (some 50 ms), and still no type below Pod or
Deployment, no schema and no validator: those are made when first used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from api.builtin import Body
from api.resource import Resource

# module:attribute of each Resource, in the order that discovery shows groups and resources.
BUILTIN: tuple[str, ...] = (
    "api.core.v1.namespace:NAMESPACE",
    "api.core.v1.node:NODE",
    "api.core.v1.pod:POD",
    "api.core.v1.binding:BINDING",
    "api.core.v1.service:SERVICE",
    "api.core.v1.configmap:CONFIGMAP",
    "api.core.v1.secret:SECRET",
    "api.core.v1.serviceaccount:SERVICEACCOUNT",
    "api.core.v1.persistentvolume:PERSISTENTVOLUME",
    "api.core.v1.persistentvolumeclaim:PERSISTENTVOLUMECLAIM",
    "api.core.v1.endpoints:ENDPOINTS",
    "api.core.v1.limitrange:LIMITRANGE",
    "api.core.v1.resourcequota:RESOURCEQUOTA",
    "api.core.v1.componentstatus:COMPONENTSTATUS",
    "api.core.v1.replicationcontroller:REPLICATIONCONTROLLER",
    "api.core.v1.podtemplate:PODTEMPLATE",
    "api.core.v1.event:EVENT",
    "api.apps.v1.deployment:DEPLOYMENT",
    "api.apps.v1.replicaset:REPLICASET",
    "api.apps.v1.statefulset:STATEFULSET",
    "api.apps.v1.daemonset:DAEMONSET",
    "api.apps.v1.controllerrevision:CONTROLLERREVISION",
    "api.events.v1.event:EVENT",
    "api.authentication.v1.tokenreview:TOKENREVIEW",
    "api.authentication.v1.selfsubjectreview:SELFSUBJECTREVIEW",
    "api.authorization.v1.accessreview:SUBJECTACCESSREVIEW",
    "api.authorization.v1.accessreview:LOCALSUBJECTACCESSREVIEW",
    "api.authorization.v1.accessreview:SELFSUBJECTACCESSREVIEW",
    "api.authorization.v1.rulesreview:SELFSUBJECTRULESREVIEW",
    "api.autoscaling.v2.horizontalpodautoscaler:HORIZONTALPODAUTOSCALER",
    "api.autoscaling.v1.horizontalpodautoscaler:HORIZONTALPODAUTOSCALER",
    "api.batch.v1.job:JOB",
    "api.batch.v1.cronjob:CRONJOB",
    "api.networking.v1.ingress:INGRESS",
    "api.networking.v1.ingressclass:INGRESSCLASS",
    "api.networking.v1.networkpolicy:NETWORKPOLICY",
    "api.networking.v1.ipaddress:IPADDRESS",
    "api.networking.v1.servicecidr:SERVICECIDR",
    "api.policy.v1.poddisruptionbudget:PODDISRUPTIONBUDGET",
    "api.rbac.v1.role:ROLE",
    "api.rbac.v1.role:CLUSTERROLE",
    "api.rbac.v1.rolebinding:ROLEBINDING",
    "api.rbac.v1.rolebinding:CLUSTERROLEBINDING",
    "api.certificates.v1.certificatesigningrequest:CERTIFICATESIGNINGREQUEST",
    "api.storage.v1.storageclass:STORAGECLASS",
    "api.storage.v1.csidriver:CSIDRIVER",
    "api.storage.v1.csinode:CSINODE",
    "api.storage.v1.csistoragecapacity:CSISTORAGECAPACITY",
    "api.storage.v1.volumeattachment:VOLUMEATTACHMENT",
    "api.storage.v1.volumeattributesclass:VOLUMEATTRIBUTESCLASS",
    "api.node.v1.runtimeclass:RUNTIMECLASS",
    "api.coordination.v1.lease:LEASE",
    "api.discovery.v1.endpointslice:ENDPOINTSLICE",
    "api.scheduling.v1.priorityclass:PRIORITYCLASS",
    "api.apiextensions.v1.customresourcedefinition:CUSTOMRESOURCEDEFINITION",
    "api.apiregistration.v1.apiservice:APISERVICE",
    "api.admissionregistration.v1.webhookconfiguration:MUTATINGWEBHOOKCONFIGURATION",
    "api.admissionregistration.v1.webhookconfiguration:VALIDATINGWEBHOOKCONFIGURATION",
    "api.admissionregistration.v1.admissionpolicy:VALIDATINGADMISSIONPOLICY",
    "api.admissionregistration.v1.policybinding:VALIDATINGADMISSIONPOLICYBINDING",
    "api.admissionregistration.v1.admissionpolicy:MUTATINGADMISSIONPOLICY",
    "api.admissionregistration.v1.policybinding:MUTATINGADMISSIONPOLICYBINDING",
    "api.flowcontrol.v1.flowschema:FLOWSCHEMA",
    "api.flowcontrol.v1.prioritylevelconfiguration:PRIORITYLEVELCONFIGURATION",
    "api.dra.v1.deviceclass:DEVICECLASS",
    "api.dra.v1.resourceclaim:RESOURCECLAIM",
    "api.dra.v1.resourceclaim:RESOURCECLAIMTEMPLATE",
    "api.dra.v1.resourceslice:RESOURCESLICE",
)

# Kinds that are sent to a subresource or with a verb, and never stored.
BODIES: tuple[str, ...] = (
    "api.core.v1.binding:BINDING_BODY",
    "api.policy.v1.eviction:EVICTION",
    "api.authentication.v1.tokenrequest:TOKENREQUEST",
    "api.autoscaling.v1.scale:SCALE",
    "api.meta.bodies:DELETEOPTIONS",
)


@cache
def _load() -> tuple[Resource, ...]:
    return tuple(_named(each) for each in BUILTIN)


def load() -> list[Resource]:
    """Every built-in Resource."""
    return list(_load())


@cache
def bodies() -> dict[tuple[str, str, str], Body]:
    """(group, version, kind) → Body."""
    found: list[Body] = [_named(each) for each in BODIES]
    return {(each.group, each.version, each.kind): each for each in found}


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
