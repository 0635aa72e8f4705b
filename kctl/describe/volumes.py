"""The volumes of a pod or pod template, each with its source."""

from __future__ import annotations

from typing import Any

from kctl.describe.page import Page
from kctl.describe.parts import bool_text

Obj = dict[str, Any]
_PVC = "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)"
_PROJECTED = "Projected (a volume that contains injected data from multiple sources)"


def volumes(page: Page, listed: list[Obj] | None, space: str = "") -> None:
    if not listed:
        page.line(0, f"{space}Volumes:\t<none>")
        return
    page.line(0, f"{space}Volumes:")
    for volume in listed:
        page.line(1, f"{' ' if space else ''}{volume['name']}:")
        source = next((field for field in volume if field != "name"), "")
        for title, value in _lines(source, volume.get(source) or {}):
            page.line(2, f"{title}:\t{value}" if title else value)


def _lines(source: str, value: Obj) -> list[tuple[str, Any]]:
    """(title, value) pairs; no title for a whole line."""
    optional = ("Optional", bool_text(value.get("optional")))
    match source:
        case "hostPath":
            kind = value.get("type")
            return [
                ("Type", "HostPath (bare host directory volume)"),
                ("Path", value.get("path", "")),
                ("HostPathType", "<none>" if kind is None else kind),
            ]
        case "emptyDir":
            size = value.get("sizeLimit")
            return [
                ("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)"),
                ("Medium", value.get("medium", "")),
                ("SizeLimit", size if size and str(size) != "0" else "<unset>"),
            ]
        case "configMap":
            return [
                ("Type", "ConfigMap (a volume populated by a ConfigMap)"),
                ("Name", value.get("name", "")),
                optional,
            ]
        case "secret":
            return [
                ("Type", "Secret (a volume populated by a Secret)"),
                ("SecretName", value.get("secretName", "")),
                optional,
            ]
        case "projected":
            return [("Type", _PROJECTED), *_projected(value)]
        case "downwardAPI":
            return [
                ("Type", "DownwardAPI (a volume populated by information about the pod)"),
                ("", "Items:"),
                *[("", f"  {_item_source(item)} -> {item['path']}") for item in value.get("items") or ()],
            ]
        case "persistentVolumeClaim":
            return [
                ("Type", _PVC),
                ("ClaimName", value.get("claimName", "")),
                ("ReadOnly", bool_text(value.get("readOnly"))),
            ]
        case "nfs":
            return [
                ("Type", "NFS (an NFS mount that lasts the lifetime of a pod)"),
                ("Server", value.get("server", "")),
                ("Path", value.get("path", "")),
                ("ReadOnly", bool_text(value.get("readOnly"))),
            ]
        case "image":
            return [
                ("Type", "Image (a container image or OCI artifact)"),
                ("Reference", value.get("reference", "")),
                ("PullPolicy", value.get("pullPolicy", "")),
            ]
        case "":
            return [("Type", "<unknown>")]
    return [("Type", source), *sorted((k, v) for k, v in value.items() if not isinstance(v, dict | list))]


def _projected(value: Obj) -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = []
    for source in value.get("sources") or ():
        if "secret" in source:
            optional = source["secret"].get("optional")
            lines += [
                ("SecretName", source["secret"].get("name", "")),
                ("SecretOptionalName", _pointer(optional)),
            ]
        elif "configMap" in source:
            optional = source["configMap"].get("optional")
            lines += [
                ("ConfigMapName", source["configMap"].get("name", "")),
                ("ConfigMapOptional", _pointer(optional)),
            ]
        elif "downwardAPI" in source:
            lines.append(("DownwardAPI", "true"))
        elif "serviceAccountToken" in source:
            lines.append(
                ("TokenExpirationSeconds", source["serviceAccountToken"].get("expirationSeconds", 3600))
            )
        elif "clusterTrustBundle" in source:
            lines.append(("ClusterTrustBundle", source["clusterTrustBundle"].get("name", "")))
    return lines


def _pointer(value: bool | None) -> str:
    return "<nil>" if value is None else bool_text(value)


def _item_source(item: Obj) -> str:
    if "fieldRef" in item:
        return str(item["fieldRef"]["fieldPath"])
    return str((item.get("resourceFieldRef") or {}).get("resource", ""))
