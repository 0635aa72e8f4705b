"""The admission plugins, in upstream's order. This table is the one place that says which ones run.

A plugin runs where the kinds it reads are served (`Part.needs`). Source: the recommended plugin order of
kube-apiserver and its list of plugins that are on by default. RBACEscalation and CertificateRecord stand in for
upstream's code within the storage of roles and of certificate requests.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apiserver.admission.admission import AdmissionChain, AdmissionPlugin
from apiserver.admission.certificate_record import CertificateRecord
from apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from apiserver.admission.collection import Collection
from apiserver.admission.default_class import DefaultIngressClass, DefaultStorageClass
from apiserver.admission.default_tolerations import DefaultTolerationSeconds
from apiserver.admission.expression_check import AdmissionExpressions
from apiserver.admission.expressions import admission_environment
from apiserver.admission.external_ips import DenyServiceExternalIPs
from apiserver.admission.limit_ranger import LimitRanger
from apiserver.admission.lookup import Lookup, lookup_in, nothing
from apiserver.admission.matching import Converter, OtherVersions
from apiserver.admission.mutating_policy import MutatingAdmissionPolicy
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.pod_security import PodSecurity
from apiserver.admission.policy import FindParams, PolicyParts, PolicySet
from apiserver.admission.policy_types import FindKind, FindResource, PolicyTypes
from apiserver.admission.priority import Priority
from apiserver.admission.rbac_escalation import RBACEscalation
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.service_account import ServiceAccount
from apiserver.admission.storage_protection import (
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from apiserver.admission.taint_nodes import TaintNodesByCondition
from apiserver.admission.token_audiences import TokenAudiences
from apiserver.admission.topology_labels import PodTopologyLabels
from apiserver.admission.validating_policy import ValidatingAdmissionPolicy
from apiserver.admission.webhooks import (
    MutatingAdmissionWebhook,
    Surroundings,
    ValidatingAdmissionWebhook,
)
from apiserver.auth.escalation import EscalationCheck
from apiserver.auth.seams import Authorizer
from apiserver.engine.conversion import Conversions
from apiserver.storage.store import Store
from apiserver.webhook_client import Connect, WebhookClient, connect, endpoints_in
from machinery import names
from machinery.clock import Clock

FindStore = Callable[[str, str], Store | None]


class Stores:
    """What is stored, as plugins look at it; each kind is looked up once. `find` knows stores by (group, plural)."""

    def __init__(self, find: FindStore) -> None:
        self._find = find
        self._collections: dict[tuple[str, str], Collection] = {}
        self.surroundings: Surroundings | None = None

    def serves(self, group: str, plural: str) -> bool:
        return self._find(group, plural) is not None

    def store(self, group: str, plural: str) -> Store:
        store = self._find(group, plural)
        if store is None:
            raise LookupError(f"{plural} in group {group!r} are not served, but admission needs them")
        return store

    def lookup(self, plural: str) -> Lookup:
        return lookup_in(self.store("", plural))

    def all(self, group: str, plural: str) -> Collection:
        key = (group, plural)
        if key not in self._collections:
            self._collections[key] = Collection(self.store(group, plural))
        return self._collections[key]


@dataclass(frozen=True, slots=True)
class Outside:
    """What plugins need that is not stored. None where nobody is authorized by roles (a simulation without RBAC)."""

    clock: Clock
    rng: random.Random
    escalation: EscalationCheck | None = None
    authorizer: Authorizer | None = None
    # The versions of a resource's kind other than itself, in which webhooks and policies may want to see it.
    others: OtherVersions = lambda resource: ()
    converter: Converter = field(default_factory=Conversions)
    # Where the objects of a kind are, which policies may name as their parameters.
    params: FindParams = lambda api_version, kind: None
    # Who calls webhooks: the server's own client, or one of the admission's that connects by `connect`.
    webhooks: WebhookClient | None = None
    connect: Connect = connect
    # What is served, by its resource and by its kind.
    find: FindResource = lambda group, version, plural: None
    find_kind: FindKind = lambda api_version, kind: None


@dataclass(frozen=True, slots=True)
class Part:
    """`make` gives None where what it needs from outside is not there."""

    make: Callable[[Stores, Outside], AdmissionPlugin | None]
    needs: Sequence[tuple[str, str]] = ()
    on: bool = True


_MUTATING = ("admissionregistration.k8s.io", "mutatingwebhookconfigurations")
_VALIDATING = ("admissionregistration.k8s.io", "validatingwebhookconfigurations")
_MUTATING_POLICIES = (
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
)
_VALIDATING_POLICIES = (
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
)
_CLAIMS = ("", "persistentvolumeclaims")
_STORAGE_CLASSES = ("storage.k8s.io", "storageclasses")
_REQUESTS = ("certificates.k8s.io", "certificatesigningrequests")


def _surroundings(stores: Stores, outside: Outside) -> Surroundings:
    """One for all that ask webhooks or evaluate policies."""
    if stores.surroundings is None:
        stores.surroundings = _make_surroundings(stores, outside)
    return stores.surroundings


def _make_surroundings(stores: Stores, outside: Outside) -> Surroundings:
    endpoints = endpoints_in(stores.lookup("services"), stores.store("discovery.k8s.io", "endpointslices"))

    def new_uid() -> str:
        return names.uid(outside.rng)

    return Surroundings(
        outside.webhooks or WebhookClient(endpoints, outside.rng, outside.connect),
        stores.lookup("namespaces"),
        outside.others,
        outside.converter,
        new_uid,
        admission_environment(outside.authorizer),
    )


def _policies(
    stores: Stores, outside: Outside, policies: tuple[str, str], bindings: tuple[str, str]
) -> PolicySet:
    around = _surroundings(stores, outside)
    parts = PolicyParts(
        around.namespaces, around.others, around.converter, around.environment, outside.params
    )
    return PolicySet(stores.all(*policies), stores.all(*bindings), parts)


def _audiences(stores: Stores) -> TokenAudiences:
    def found(group: str, plural: str) -> Lookup:
        return lookup_in(stores.store(group, plural)) if stores.serves(group, plural) else nothing

    return TokenAudiences(
        found(*_CLAIMS), found("", "persistentvolumes"), found("storage.k8s.io", "csidrivers")
    )


TABLE: Sequence[Part] = (
    Part(lambda s, o: NamespaceLifecycle(s.lookup("namespaces")), [("", "namespaces")]),
    Part(lambda s, o: LimitRanger(s.all("", "limitranges")), [("", "limitranges")]),
    Part(lambda s, o: ServiceAccount(s.lookup("serviceaccounts"), o.rng, o.clock), [("", "serviceaccounts")]),
    Part(
        lambda s, o: NodeRestriction(s.lookup("pods"), s.lookup("nodes"), _audiences(s), o.authorizer),
        [("", "pods"), ("", "nodes")],
    ),
    Part(lambda s, o: TaintNodesByCondition()),
    Part(lambda s, o: PodSecurity(s.lookup("namespaces")), [("", "namespaces")]),
    Part(
        lambda s, o: Priority(s.all("scheduling.k8s.io", "priorityclasses")),
        [("scheduling.k8s.io", "priorityclasses")],
    ),
    Part(lambda s, o: DefaultTolerationSeconds()),
    Part(lambda s, o: DefaultStorageClass(s.all(*_STORAGE_CLASSES)), [_CLAIMS, _STORAGE_CLASSES]),
    Part(lambda s, o: StorageObjectInUseProtection(), [_CLAIMS]),
    Part(lambda s, o: PersistentVolumeClaimResize(s.all(*_STORAGE_CLASSES)), [_CLAIMS, _STORAGE_CLASSES]),
    Part(
        lambda s, o: RuntimeClass(s.all("node.k8s.io", "runtimeclasses")),
        [("node.k8s.io", "runtimeclasses")],
    ),
    Part(lambda s, o: CertificateRecord(o.clock), [_REQUESTS]),
    Part(lambda s, o: CertificateApproval(o.authorizer) if o.authorizer else None, [_REQUESTS]),
    Part(lambda s, o: CertificateSigning(o.authorizer) if o.authorizer else None, [_REQUESTS]),
    Part(lambda s, o: CertificateSubjectRestriction(), [_REQUESTS]),
    Part(
        lambda s, o: DefaultIngressClass(s.all("networking.k8s.io", "ingressclasses")),
        [("networking.k8s.io", "ingresses"), ("networking.k8s.io", "ingressclasses")],
    ),
    Part(lambda s, o: DenyServiceExternalIPs(), on=False),
    Part(lambda s, o: PodTopologyLabels(s.store("", "nodes")), [("", "nodes")]),
    Part(lambda s, o: MutatingAdmissionPolicy(_policies(s, o, *_MUTATING_POLICIES)), _MUTATING_POLICIES),
    Part(lambda s, o: MutatingAdmissionWebhook(s.all(*_MUTATING), _surroundings(s, o)), [_MUTATING]),
    Part(
        lambda s, o: ValidatingAdmissionPolicy(_policies(s, o, *_VALIDATING_POLICIES)),
        _VALIDATING_POLICIES,
    ),
    Part(lambda s, o: ValidatingAdmissionWebhook(s.all(*_VALIDATING), _surroundings(s, o)), [_VALIDATING]),
    Part(
        lambda s, o: PolicyTypes(_surroundings(s, o).environment, o.find, o.find_kind),
        _VALIDATING_POLICIES,
    ),
    Part(lambda s, o: AdmissionExpressions(_surroundings(s, o).environment), [_MUTATING, _VALIDATING]),
    Part(lambda s, o: RBACEscalation(o.escalation) if o.escalation else None),
    Part(lambda s, o: ResourceQuota(s.store("", "resourcequotas"), o.clock), [("", "resourcequotas")]),
)


def admission_chain(find: FindStore, outside: Outside) -> AdmissionChain:
    stores = Stores(find)
    wanted = [part for part in TABLE if part.on and all(stores.serves(*each) for each in part.needs)]
    made = [part.make(stores, outside) for part in wanted]
    return [plugin for plugin in made if plugin is not None]
