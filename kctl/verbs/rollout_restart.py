"""`kctl rollout restart`: replaces all pods by marking the pod template with the time."""

from __future__ import annotations

from datetime import datetime

from kctl.failure import Failure
from kctl.flags import Options
from kctl.rollouts import check_kind
from kctl.selection import select
from kctl.session import Session
from kctl.verbs import rollout_pause

USAGE = "rollout restart (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (("Replace all pods", "kctl rollout restart deployment/web"),)
FLAGS = rollout_pause.FLAGS


def run(options: Options, session: Session) -> int:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    for found in select(options, session, read=True):
        check_kind(found, "restart")
        assert found.obj is not None
        if found.obj["spec"].get("paused"):
            raise Failure("can't restart paused deployment (run rollout resume first)")
        annotations = {"kubectl.kubernetes.io/restartedAt": now}
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        rollout_pause.patch_template(options, session, found, patch, "restarted")
    return 0
