"""The tables of tests/unit/api/validation_cases, asked of a server: is this object taken, and which fields are wrong, why?

A case that creates is a dry run. One that updates makes its object first, writes `stored` through the status
where that is all there is to write, sends the change as a dry run, and takes the object away. Cases whose stored object no request
can make are not asked, nor kinds that 1.20 does not serve in a version of the same shape. What is recorded of 1.20 leaves out
what speaks of fields that it does not know (its OpenAPI says so).

A question's key has a digest of what is asked, so that tables may grow and change: what is not recorded is not compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from case_tables import changed, expanded, name_of, resource_of, tables
from kube120_older import OLDER
from upstream_wire import Server, exchange

Obj = dict[str, Any]

NOT_THERE = {
    *("CSIStorageCapacity", "DeviceClass", "FlowSchema", "IPAddress", "PriorityLevelConfiguration"),
    *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "ResourceClaim", "ResourceClaimTemplate"),
    *("ResourceSlice", "ServiceCIDR", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    "VolumeAttributesClass",
}
_ACCOUNT = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
_AT_ONCE = 8


@dataclass(frozen=True)
class Question:
    key: str
    do: str
    api_version: str
    path: str  # of the collection
    made: Obj  # what is created
    stored: Obj  # its status, where the case has one
    change: Obj  # by path

    def objects(self) -> list[Obj]:
        """All that is sent."""
        return [changed(changed(self.made, self.stored), self.change)]


def questions(old: bool) -> Iterator[Question]:
    """`old`: for 1.20."""
    for file, table in tables().items():
        resource = resource_of(table)
        if resource.kind in NOT_THERE:
            continue
        api_version = resource.gvr.api_version
        if old:
            api_version = OLDER.get(f"{api_version} {resource.kind}", api_version)
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        within = "/namespaces/default" if resource.namespaced else ""
        path = f"{root}{within}/{resource.gvr.resource}"
        for index, case in enumerate(table["cases"]):
            do, stored = case.get("do", "create"), case.get("stored", {})
            if do not in ("create", "update", "status") or not all(
                each.startswith("status/") for each in stored
            ):
                continue
            meta = {} if resource.verbs == ("create",) else {"name": "x" if do == "create" else f"x{index}"}
            head = {"apiVersion": api_version, "kind": resource.kind, "metadata": meta}
            base = changed(head, expanded(table["base"]))
            told = {key: case.get(key, {}) for key in ("set", "was", "stored")}
            digest = hashlib.sha1(json.dumps([table["base"], told], sort_keys=True).encode()).hexdigest()[:8]
            key = f"{file} {do} {name_of(case)[:60]} {digest}"
            if do == "create":
                yield Question(key, do, api_version, path, changed(base, told["set"]), {}, {})
            else:
                yield Question(key, do, api_version, path, changed(base, told["was"]), stored, told["set"])


async def send(server: Server, method: str, target: str, body: Obj | None = None) -> tuple[int, Any]:
    raw = json.dumps(body).replace('"10.0.0.1"', '"10.96.200.1"').encode() if body is not None else b""
    async with exchange(server, method, target, {}, raw) as answer:
        said = await answer.body()
    try:
        return answer.status, json.loads(said)
    except ValueError:
        return answer.status, said.decode("utf-8", "replace")


async def ask(server: Server, question: Question) -> Obj:
    """Status and causes; `unasked` where the object to be changed could not be made."""
    if question.do == "create":
        return _told(await send(server, "POST", f"{question.path}?dryRun=All", question.made))
    status, made = await send(server, "POST", question.path, question.made)
    if status != 201:
        return {"unasked": True}
    target = f"{question.path}/{made['metadata']['name']}"
    try:
        if question.stored:
            status, made = await send(server, "PUT", f"{target}/status", changed(made, question.stored))
            if status != 200:
                return {"unasked": True}
        sub = "" if question.do == "update" else f"/{question.do}"
        for _ in range(3):  # the server itself may write meanwhile: how an APIService is
            answer = await send(server, "PUT", f"{target}{sub}?dryRun=All", changed(made, question.change))
            if answer[0] != 409:
                break
            status, made = await send(server, "GET", target)
        return _told(answer)
    finally:
        await send(server, "DELETE", f"{target}?gracePeriodSeconds=0")


def _told(answer: tuple[int, Any]) -> Obj:
    status, body = answer
    if status < 300:
        return {"status": status}
    if not isinstance(body, dict):
        return {"status": status, "message": body}
    causes = body.get("details", {}).get("causes", ())
    if status != 422 or not causes:
        return {"status": status, "message": body.get("message")}
    told = {(each.get("reason", "").removeprefix("FieldValue"), each.get("field", "")) for each in causes}
    return {"status": status, "causes": [" ".join(each) for each in sorted(told)]}


class Fields:
    """Which fields a server knows, by its OpenAPI v2."""

    def __init__(self, document: Obj) -> None:
        self._definitions: dict[str, Obj] = document["definitions"]
        self._kinds = {
            (f"{each['group']}/{each['version']}".lstrip("/"), each["kind"]): schema
            for schema in self._definitions.values()
            for each in schema.get("x-kubernetes-group-version-kind", ())
        }

    def knows(self, obj: Obj) -> bool:
        return self._has(self._kinds.get((obj["apiVersion"], obj["kind"]), {}), obj)

    def _has(self, schema: Obj, value: Any) -> bool:
        if "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        if isinstance(value, list):
            return all(self._has(schema.get("items", {}), each) for each in value)
        if not isinstance(value, dict) or not ("properties" in schema or "additionalProperties" in schema):
            return True
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
        return all(
            self._has(properties.get(key, rest), each)
            for key, each in value.items()
            if key in properties or rest is not None
        ) and (rest is not None or value.keys() <= properties.keys())


async def fields_of(server: Server) -> Fields:
    _, document = await send(server, "GET", "/openapi/v2")
    return Fields(document)


async def answers(server: Server, old: bool, only: Container[str] | None = None) -> dict[str, Obj]:
    await send(server, "POST", "/api/v1/namespaces/default/serviceaccounts", _ACCOUNT)
    fields = await fields_of(server) if old else None
    at_once = asyncio.Semaphore(_AT_ONCE)
    alone: defaultdict[tuple[str, Any], asyncio.Lock] = defaultdict(
        asyncio.Lock
    )  # some kinds' names are given

    async def one(question: Question) -> Obj:
        async with alone[question.path, question.made["metadata"].get("name")], at_once:
            return await ask(server, question)

    asked = [
        each
        for each in questions(old)
        if (only is None or each.key in only)
        and (fields is None or all(fields.knows(obj) for obj in each.objects()))
    ]
    said = await asyncio.gather(*map(one, asked))
    return {question.key: answer for question, answer in zip(asked, said, strict=True)}
