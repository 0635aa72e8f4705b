"""OpenAPI v3 (index with hashes, one document a group-version) and v2, made from what the catalog serves.

Documents are made when first asked for and kept until the catalog changes; the index's hashes let clients cache
them for good.
"""

from __future__ import annotations

from apiserver.engine.catalog import Catalog
from apiserver.http.reply import Reply
from apiserver.http.resources import Request
from machinery.clock import Clock


class OpenApi:
    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def reply(self, request: Request) -> Reply | None:
        return None
