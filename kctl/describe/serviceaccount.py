"""What `kctl describe` shows of a ServiceAccount."""

from __future__ import annotations

from typing import Any

from kctl.describe import parts
from kctl.describe.page import Page
from kctl.session import Session

Obj = dict[str, Any]


def describe(page: Page, session: Session, obj: Obj) -> None:
    parts.head(page, obj)
    names = {
        "Image pull secrets": [each["name"] for each in obj.get("imagePullSecrets") or ()],
        "Mountable secrets": [each["name"] for each in obj.get("secrets") or ()],
        "Tokens": _tokens(session, obj["metadata"]),
    }
    for title, listed in names.items():
        parts.several(page, title, listed)


def _tokens(session: Session, meta: Obj) -> list[str]:
    path = session.mapper.find("secrets").gvr.path(meta["namespace"])
    query = [("fieldSelector", "type=kubernetes.io/service-account-token")]
    secrets = session.rest.get(path, query)["items"]
    return [
        secret["metadata"]["name"]
        for secret in secrets
        if (secret["metadata"].get("annotations") or {}).get("kubernetes.io/service-account.uid")
        == meta["uid"]
    ]
