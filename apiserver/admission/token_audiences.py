"""For whom the tokens are that a pod's volumes need: nodes get no others.

A projected token says its audience; a CSI driver's object says which it wants handed over, for volumes in the pod's spec
and for those behind its claims. Source: the feature gate ServiceAccountNodeAudienceRestriction, on since 1.33.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from api.resource import Obj
from apiserver.admission.lookup import Lookup


class TokenAudiences:
    """Each looks up what is stored of its kind; what is not there wants no tokens."""

    def __init__(self, claims: Lookup, volumes: Lookup, drivers: Lookup) -> None:
        self._claims = claims
        self._volumes = volumes
        self._drivers = drivers

    async def of(self, pod: Obj) -> AsyncIterator[str]:
        """An empty one is the API server's own."""
        for volume in pod["spec"].get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if source.get("serviceAccountToken") is not None:
                    yield source["serviceAccountToken"].get("audience") or ""
            name = await self._driver(pod["metadata"], volume)
            driver = await self._drivers("", name) if name else None
            for wanted in ((driver or {}).get("spec") or {}).get("tokenRequests") or ():
                yield wanted.get("audience") or ""

    async def _driver(self, meta: Obj, volume: Obj) -> str:
        if volume.get("csi") is not None:
            return str(volume["csi"].get("driver", ""))
        if volume.get("ephemeral") is not None:
            claim = f"{meta.get('name', '')}-{volume.get('name', '')}"
        elif volume.get("persistentVolumeClaim") is not None:
            claim = volume["persistentVolumeClaim"].get("claimName", "")
        else:
            return ""
        bound = (await self._claims(meta.get("namespace", ""), claim) or {}).get("spec") or {}
        if not bound.get("volumeName"):
            return ""
        spec = (await self._volumes("", bound["volumeName"]) or {}).get("spec") or {}
        return str((spec.get("csi") or {}).get("driver", ""))
