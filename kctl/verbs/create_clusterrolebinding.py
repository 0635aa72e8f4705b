"""`kctl create clusterrolebinding`: gives a ClusterRole to users, groups and ServiceAccounts everywhere."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Options
from kctl.session import Session
from kctl.verbs.create_rolebinding import SUBJECT_FLAGS, binding

USAGE = "create clusterrolebinding NAME --clusterrole=NAME [--user=...] [--group=...] [--serviceaccount=NS:NAME] [flags]"
EXAMPLES = (("A group", "kctl create clusterrolebinding admins --clusterrole=cluster-admin --group=ops"),)
FLAGS = (*SUBJECT_FLAGS, *CREATE_FLAGS)


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    name = one_name(options, "clusterrolebinding")
    if not options.clusterrole:
        raise Failure('required flag(s) "clusterrole" not set')
    return binding("ClusterRoleBinding", name, ("ClusterRole", options.clusterrole), options)
