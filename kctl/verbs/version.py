"""`kctl version`: of this client and of the server."""

from __future__ import annotations

import json

from kctl.flags import Flag, Options
from kctl.session import Session
from machinery.version import VERSION

USAGE = "version [flags]"
EXAMPLES = (("Both", "kctl version"), ("Without asking the server", "kctl version --client"))
FLAGS = (
    Flag("client", type="bool", default=False, help="this client only"),
    Flag("output", "o", default="", choices=("", "json", "yaml"), help="json or yaml"),
)


def run(options: Options, session: Session) -> int:
    client = VERSION
    server = None if options.client else session.rest.get("/version")
    if options.output:
        shown = {"clientVersion": {"gitVersion": f"v{client}"}}
        if server:
            shown["serverVersion"] = server
        if options.output == "json":
            print(json.dumps(shown, indent=2), file=session.out)
        else:
            from machinery.codec.yaml_ import dump

            session.out.write(dump(shown))
        return 0
    print(f"Client Version: v{client}", file=session.out)
    if server:
        print(f"Server Version: {server['gitVersion']}", file=session.out)
    return 0
