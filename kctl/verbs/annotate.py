"""`kctl annotate`: sets (`KEY=VALUE`) and removes (`KEY-`) annotations."""

from __future__ import annotations

from kctl.flags import Options
from kctl.session import Session
from kctl.verbs import metadata_words

USAGE = "annotate (-f FILE | TYPE NAME | TYPE -l SELECTOR) KEY=VALUE... KEY-... [flags]"
EXAMPLES = (("Say why", 'kctl annotate deployment web kubernetes.io/change-cause="new page"'),)
FLAGS = metadata_words.FLAGS


def run(options: Options, session: Session) -> int:
    return metadata_words.change_metadata(options, session, "annotations", "annotated")
