"""`kctl label`: sets (`KEY=VALUE`) and removes (`KEY-`) labels."""

from __future__ import annotations

from kctl.flags import Options
from kctl.session import Session
from kctl.verbs import metadata_words

USAGE = "label (-f FILE | TYPE NAME | TYPE -l SELECTOR) KEY=VALUE... KEY-... [flags]"
EXAMPLES = (("Set a label", "kctl label pod web-0 tier=front"), ("Remove it", "kctl label pod web-0 tier-"))
FLAGS = metadata_words.FLAGS


def run(options: Options, session: Session) -> int:
    return metadata_words.change_metadata(options, session, "labels", "labeled")
