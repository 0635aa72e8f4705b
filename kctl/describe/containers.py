"""The containers of a pod or pod template, with their states where there are any."""

from __future__ import annotations

from typing import Any

from kctl.describe.page import Page, time_text
from kctl.describe.parts import bool_text

Obj = dict[str, Any]


def containers(page: Page, title: str, pod: Obj, field: str, statuses: str, space: str = "") -> None:
    """`pod` is a Pod, or a pod template (`space` "  "), which has no states."""
    is_pod = "status" in pod
    listed = pod["spec"].get(field) or ()
    known = {status["name"]: status for status in (pod.get("status") or {}).get(statuses) or ()}
    page.line(0, f"{space}{title}:" if listed else f"{space}{title}: <none>")
    for container in listed:
        status = known.get(container["name"])
        page.line(1, f"{' ' if space else ''}{container['name']}:")
        _basics(page, container, status)
        _command(page, container)
        if status:
            _state(page, "State", status.get("state") or {})
            if (status.get("lastState") or {}).get("terminated"):
                _state(page, "Last State", status["lastState"])
            page.line(2, f"Ready:\t{'True' if status.get('ready') else 'False'}")
            page.line(2, f"Restart Count:\t{status.get('restartCount', 0)}")
        resources(page, 2, container.get("resources") or {})
        for name in ("liveness", "readiness", "startup"):
            if container.get(f"{name}Probe"):
                page.line(2, f"{name.capitalize()}:\t{probe_text(container[f'{name}Probe'])}")
        _environment_from(page, container.get("envFrom") or ())
        _environment(page, container, pod if is_pod else None)
        _mounts(page, container)


def _basics(page: Page, container: Obj, status: Obj | None) -> None:
    if status:
        page.line(2, f"Container ID:\t{status.get('containerID', '')}")
    page.line(2, f"Image:\t{container.get('image', '')}")
    if status:
        page.line(2, f"Image ID:\t{status.get('imageID', '')}")
    ports = container.get("ports") or ()
    inner = [f"{port['containerPort']}/{port.get('protocol', 'TCP')}" for port in ports]
    outer = [f"{port.get('hostPort', 0)}/{port.get('protocol', 'TCP')}" for port in ports]
    for title, texts in (("Port", inner), ("Host Port", outer)):
        page.line(2, f"{title}{'s' if len(texts) > 1 else ''}:\t{', '.join(texts) or '<none>'}")
    profile = (container.get("securityContext") or {}).get("seccompProfile")
    if profile:
        page.line(2, f"SeccompProfile:\t{profile['type']}")
        if profile["type"] == "Localhost":
            page.line(3, f"LocalhostProfile:\t{profile.get('localhostProfile', '')}")


def _command(page: Page, container: Obj) -> None:
    for title, field in (("Command", "command"), ("Args", "args")):
        if container.get(field):
            page.line(2, f"{title}:")
            for word in container[field]:
                page.line(3, word.replace("\t", "    ")) if "\n" not in word else _block(page, word)


def _block(page: Page, word: str) -> None:
    for text in word.split("\n"):
        page.line(3, text.replace("\t", "    "))


def _state(page: Page, title: str, state: Obj) -> None:
    if "running" in state:
        page.line(2, f"{title}:\tRunning")
        page.line(3, f"Started:\t{time_text(state['running'].get('startedAt'))}")
        return
    ended = state.get("terminated")
    if not ended:
        page.line(2, f"{title}:\tWaiting")
        if (state.get("waiting") or {}).get("reason"):
            page.line(3, f"Reason:\t{state['waiting']['reason']}")
        return
    page.line(2, f"{title}:\tTerminated")
    for field in ("reason", "message"):
        if ended.get(field):
            page.line(3, f"{field.capitalize()}:\t{ended[field]}")
    page.line(3, f"Exit Code:\t{ended.get('exitCode', 0)}")
    if ended.get("signal"):
        page.line(3, f"Signal:\t{ended['signal']}")
    page.line(3, f"Started:\t{time_text(ended.get('startedAt'))}")
    page.line(3, f"Finished:\t{time_text(ended.get('finishedAt'))}")


def resources(page: Page, level: int, values: Obj) -> None:
    for title, field in (("Limits", "limits"), ("Requests", "requests")):
        if values.get(field):
            page.line(level, f"{title}:")
            for name, amount in sorted(values[field].items()):
                page.line(level + 1, f"{name}:\t{amount}")


def probe_text(probe: Obj) -> str:
    numbers = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s #success={probe.get('successThreshold', 1)} "
        f"#failure={probe.get('failureThreshold', 3)}"
    )
    if "exec" in probe:
        return f"exec [{' '.join(probe['exec'].get('command') or ())}] {numbers}"
    if "httpGet" in probe:
        get = probe["httpGet"]
        path = get.get("path", "")
        slash = "" if path.startswith("/") or not path else "/"
        return f"http-get {get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get['port']}{slash}{path} {numbers}"
    if "tcpSocket" in probe:
        return f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket']['port']} {numbers}"
    if "grpc" in probe:
        return f"grpc <pod>:{probe['grpc']['port']} {probe['grpc'].get('service', '')} {numbers}"
    return f"unknown {numbers}"


def _environment_from(page: Page, sources: Any) -> None:
    if not sources:
        return
    page.line(2, "Environment Variables from:")
    for source in sources:
        field, kind = ("configMapRef", "ConfigMap") if "configMapRef" in source else ("secretRef", "Secret")
        reference = source.get(field) or {}
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        optional = bool_text(reference.get("optional"))
        page.line(3, f"{reference.get('name', '')}\t{kind}{prefix}\tOptional: {optional}")


def _environment(page: Page, container: Obj, pod: Obj | None) -> None:
    if not container.get("env"):
        page.line(2, "Environment:\t<none>")
        return
    page.line(2, "Environment:")
    for variable in container["env"]:
        source = variable.get("valueFrom")
        if not source:
            first, *others = str(variable.get("value", "")).split("\n")
            page.line(3, f"{variable['name']}:\t{first}")
            for text in others:
                page.line(3, f"\t{text}")
            continue
        page.line(3, f"{variable['name']}:\t{_source_text(source, container, pod)}")


def _source_text(source: Obj, container: Obj, pod: Obj | None) -> str:
    if "fieldRef" in source:
        path = source["fieldRef"]["fieldPath"]
        value = _field(pod, path) if pod else ""
        return f"{value} ({source['fieldRef'].get('apiVersion', 'v1')}:{path})"
    if "resourceFieldRef" in source:
        reference = source["resourceFieldRef"]
        return f"{_resource(reference, container)} ({reference['resource']})"
    for field, where in (("secretKeyRef", "in secret"), ("configMapKeyRef", "of config map")):
        if field in source:
            key, name = source[field]["key"], source[field].get("name", "")
            return f"<set to the key '{key}' {where} '{name}'>\tOptional: {bool_text(source[field].get('optional'))}"
    return ""


def _field(pod: Obj, path: str) -> str:
    name, bracket, key = path.partition("[")
    value: Any = pod
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if bracket and isinstance(value, dict):
        value = value.get(key.rstrip("]").strip("'\""))
    if isinstance(value, dict):
        return "\n".join(f'{k}="{v}"' for k, v in sorted(value.items()))
    if isinstance(value, list):
        return ",".join(str(each.get("ip", "")) for each in value)
    return "" if value is None else str(value)


def _resource(reference: Obj, container: Obj) -> str:
    from machinery.quantity import parse

    kind, _, name = reference["resource"].partition(".")
    amount = ((container.get("resources") or {}).get(kind) or {}).get(name)
    if amount is None:
        return "node allocatable" if kind == "limits" and name in ("cpu", "memory") else "0"
    divisor = reference.get("divisor") or "1"
    divisor = "1" if divisor == "0" else divisor
    return str(-(-parse(str(amount)).nano // parse(str(divisor)).nano))


def _mounts(page: Page, container: Obj) -> None:
    mounts = sorted(container.get("volumeMounts") or (), key=lambda mount: str(mount["mountPath"]))
    page.line(2, "Mounts:" if mounts else "Mounts:\t<none>")
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        page.line(3, f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})")
    devices = sorted(container.get("volumeDevices") or (), key=lambda device: str(device["devicePath"]))
    if devices:
        page.line(2, "Devices:")
        for device in devices:
            page.line(3, f"{device['devicePath']} from {device['name']}")
