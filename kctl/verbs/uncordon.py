"""`kctl uncordon`: let new pods onto a node again."""

from __future__ import annotations

from kctl.flags import Options
from kctl.session import Session
from kctl.verbs import cordon

USAGE = "uncordon NODE... [flags]"
EXAMPLES = (("After maintenance", "kctl uncordon node-1"),)
FLAGS = cordon.FLAGS


def run(options: Options, session: Session) -> int:
    return cordon.set_unschedulable(options, session, False, "uncordoned")
