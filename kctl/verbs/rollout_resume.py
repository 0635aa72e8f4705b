"""`kctl rollout resume`: lets a held rollout go on."""

from __future__ import annotations

from kctl.flags import Options
from kctl.session import Session
from kctl.verbs import rollout_pause

USAGE = "rollout resume (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (("Go on", "kctl rollout resume deployment/web"),)
FLAGS = rollout_pause.FLAGS


def run(options: Options, session: Session) -> int:
    return rollout_pause.set_paused(options, session, False, "resumed")
