"""`kctl api-versions`: the group/versions that the server serves."""

from __future__ import annotations

from kctl.flags import Options
from kctl.session import Session

USAGE = "api-versions"
EXAMPLES = (("All of them", "kctl api-versions"),)
FLAGS = ()


def run(options: Options, session: Session) -> int:
    versions = {info.gvr.api_version for info in session.mapper.discovered}
    print("\n".join(sorted(versions)), file=session.out)
    return 0
