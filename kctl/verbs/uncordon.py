"""`kctl uncordon`: let new pods onto a node again."""

from __future__ import annotations

from kctl.flags import Options
from kctl.session import Session
from kctl.verbs import cordon

USAGE = "uncordon (NODE... | -l SELECTOR) [flags]"
EXAMPLES = (("After maintenance", "kctl uncordon node-1"),)
FLAGS = cordon.FLAGS


def run(options: Options, session: Session) -> int:
    names = cordon.node_names(options, session)
    return cordon.set_unschedulable(options, session, False, "uncordoned", names)
