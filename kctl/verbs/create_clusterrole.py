"""`kctl create clusterrole`: a ClusterRole by rules, for URLs that are no resources, or gathered from others."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session
from kctl.verbs.create_role import RULE_FLAGS, plan_rules, verbs_of

USAGE = "create clusterrole NAME --verb=VERB... (--resource=TYPE... | --non-resource-url=URL...) [flags]"
EXAMPLES = (
    ("Reading nodes", "kctl create clusterrole node-reader --verb=get,list,watch --resource=nodes"),
    ("Reading metrics", "kctl create clusterrole metrics --verb=get --non-resource-url=/metrics"),
)
FLAGS = (
    *RULE_FLAGS,
    Flag("non-resource-url", type="list", default=[], help="on which paths, such as /metrics"),
    Flag("aggregation-rule", type="list", default=[], help="gather the rules of ClusterRoles with these KEY=VALUE labels"),
    *CREATE_FLAGS,
)  # fmt: skip


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options, session))


def plan(options: Options, session: Session) -> dict[str, Any]:
    name = one_name(options, "clusterrole")
    obj: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
    }
    urls = list(options.non_resource_url)
    if options.aggregation_rule:
        if options.verb or options.resource or urls or options.resource_name:
            raise Failure("aggregation rule must be specified without the other rule flags")
        labels = dict(pair.partition("=")[::2] for pair in options.aggregation_rule)
        obj["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": labels}]}
        obj["rules"] = []
        return obj
    if urls and (options.resource or options.resource_name):
        raise Failure("invalid verb and nonResourceURL: resources and URLs cannot stand in one rule")
    if urls:
        obj["rules"] = [{"nonResourceURLs": urls, "verbs": verbs_of(options, session)}]
    else:
        obj["rules"] = plan_rules(options, session)
    return obj
