"""`kctl completion`: a shell's completion script, to be sourced; it asks `kctl __complete` what could follow."""

from __future__ import annotations

import sys
from pathlib import Path

from kctl.failure import Failure
from kctl.flags import Options

LOCAL = True
USAGE = "completion (bash | zsh | fish)"
EXAMPLES = (
    ("In bash, now", "source <(kctl completion bash)"),
    ("In zsh, now", "source <(kctl completion zsh)"),
    ("In fish, from now on", "kctl completion fish > ~/.config/fish/completions/kctl.fish"),
)
FLAGS = ()
_SCRIPTS = Path(__file__).parent.parent / "completions"


def run(options: Options) -> int:
    known = sorted(path.suffix[1:] for path in _SCRIPTS.glob("kctl.*"))
    if len(options.args) != 1:
        raise Failure(f"Shell not specified: one of {', '.join(known)} is expected")
    if options.args[0] not in known:
        raise Failure(f'Unsupported shell type "{options.args[0]}": one of {", ".join(known)} is expected')
    sys.stdout.write((_SCRIPTS / f"kctl.{options.args[0]}").read_text())
    return 0
