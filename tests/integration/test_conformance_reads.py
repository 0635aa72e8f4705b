"""Lists, watches, tables and discovery as a conformant API server shows them (docs/conformance.md)."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from machinery.gvk import CONFIGMAPS, PODS

NS = "default"
MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


def config(name="c", labels=None, **data):
    return {"metadata": {"name": name, "namespace": NS, "labels": labels or {}}, "data": data}


def said(answer):
    return orjson.loads(answer.body)


def told(answer):
    return [orjson.loads(line) for line in answer.body.splitlines()]


def revision_of(obj):
    return obj["metadata"]["resourceVersion"]


async def watched(api, start, path=MAPS, **query):
    sent = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": start, **query}
    return told(await api.send("GET", path, query=sent))


# Watches


def test_a_watch_starts_after_any_revision_it_is_given(run_api):
    async def body(api):
        made = await api.client.create(CONFIGMAPS, config())
        first = await api.client.patch(CONFIGMAPS, "c", {"data": {"mutation": "1"}}, NS)
        second = await api.client.patch(CONFIGMAPS, "c", {"data": {"mutation": "2"}}, NS)
        await api.client.delete(CONFIGMAPS, "c", NS)
        assert [e["type"] for e in await watched(api, revision_of(made))] == [
            "MODIFIED",
            "MODIFIED",
            "DELETED",
        ]
        after = await watched(api, revision_of(first))
        assert [e["object"]["data"].get("mutation") for e in after] == ["2", "2"]
        assert int(revision_of(after[-1]["object"])) > int(revision_of(second))

    run_api(body)


def test_an_object_that_leaves_and_comes_back_is_deleted_and_added(run_api):
    async def body(api):
        made = await api.client.create(CONFIGMAPS, config(labels={"watch": "me"}))
        start = revision_of(made)
        for label in ("not-me", "me"):
            await api.client.patch(CONFIGMAPS, "c", {"metadata": {"labels": {"watch": label}}}, NS)
            await api.client.patch(CONFIGMAPS, "c", {"data": {"mutation": label}}, NS)
        await api.client.delete(CONFIGMAPS, "c", NS)
        events = await watched(api, start, labelSelector="watch=me")
        assert [e["type"] for e in events] == ["DELETED", "ADDED", "MODIFIED", "DELETED"]
        # What left is shown as it last belonged, at the revision of its leaving.
        assert events[0]["object"]["metadata"]["labels"] == {"watch": "me"}
        assert int(revision_of(events[0]["object"])) > int(start)

    run_api(body)


def test_watches_that_start_anywhere_tell_one_order(run_api):
    async def body(api):
        start = revision_of(await api.client.list(CONFIGMAPS, NS))
        for at in range(10):
            await api.client.create(CONFIGMAPS, config(f"c{at}"))
            if at % 3 == 0:
                await api.client.patch(CONFIGMAPS, f"c{at}", {"data": {"a": "1"}}, NS)
            if at % 4 == 0:
                await api.client.delete(CONFIGMAPS, f"c{at}", NS)
        whole = [revision_of(e["object"]) for e in await watched(api, start)]
        for at, revision in enumerate(whole):
            seen = [revision_of(e["object"]) for e in await watched(api, revision)]
            assert seen == whole[at + 1 :]

    run_api(body)


def test_a_streamed_list_ends_with_a_bookmark_of_its_revision(run_api):
    async def body(api):
        for at in range(3):
            await api.client.create(CONFIGMAPS, config(f"c{at}"))
        query = {
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "allowWatchBookmarks": "true",
        }
        for accept, kind in (("application/json", "ConfigMap"), (PARTIAL, "PartialObjectMetadata")):
            sent = {"watch": "1", "timeoutSeconds": "1", **query}
            events = told(await api.send("GET", MAPS, query=sent, accept=accept))
            assert [e["type"] for e in events] == ["ADDED"] * 3 + ["BOOKMARK"]
            mark = events[-1]["object"]
            assert mark["kind"] == kind
            assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            assert int(revision_of(mark)) >= int(revision_of(events[2]["object"]))
        silent = {**query, "allowWatchBookmarks": "false", "watch": "1", "timeoutSeconds": "1"}
        assert [e["type"] for e in told(await api.send("GET", MAPS, query=silent))] == ["ADDED"] * 3

    run_api(body)


@pytest.mark.parametrize("query", [{}, {"allowWatchBookmarks": "true"}])
def test_a_watch_from_a_revision_to_come_says_so(run_api, query):
    async def body(api):
        sent = {"watch": "1", "timeoutSeconds": "9", "resourceVersion": "999999", **query}
        answer = await api.send("GET", MAPS, query=sent)
        status = said(answer)
        assert answer.status == 504 and status["reason"] == "Timeout"
        assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"

    run_api(body)


# Lists


def test_chunks_are_of_one_state_count_what_remains_and_end(run_api):
    async def body(api):
        for at in range(7):
            await api.client.create(CONFIGMAPS, config(f"c{at}"))
        names, token, seen, revisions = [], "", [], set()
        while True:
            page = said(
                await api.send("GET", MAPS, query={"limit": "3", **({"continue": token} if token else {})})
            )
            names += [item["metadata"]["name"] for item in page["items"]]
            revisions.add(revision_of(page))
            seen.append(page["metadata"].get("remainingItemCount"))
            await api.client.create(CONFIGMAPS, config(f"d{len(names)}"))
            token = page["metadata"].get("continue", "")
            if not token:
                break
        assert names == [f"c{at}" for at in range(7)] and seen == [4, 1, None] and len(revisions) == 1
        selected = said(await api.send("GET", MAPS, query={"limit": "3", "labelSelector": "!x"}))
        assert "remainingItemCount" not in selected["metadata"] and selected["metadata"]["continue"]
        table = said(await api.send("GET", MAPS, query={"limit": "3"}, accept=TABLE))
        assert len(table["rows"]) == 3 and table["metadata"]["continue"]
        assert table["metadata"]["remainingItemCount"] == len(names) + 3 - 3

    run_api(body)


def test_a_list_may_ask_for_the_past_the_present_and_not_for_the_future(run_api):
    async def body(api):
        await api.client.create(CONFIGMAPS, config("a"))
        then = revision_of(await api.client.list(CONFIGMAPS, NS))
        await api.client.create(CONFIGMAPS, config("b"))

        async def names(**query):
            page = said(await api.send("GET", MAPS, query=query))
            return [item["metadata"]["name"] for item in page["items"]], revision_of(page)

        assert (await names(resourceVersion=then, resourceVersionMatch="Exact")) == (["a"], then)
        assert (await names(resourceVersion=then, resourceVersionMatch="NotOlderThan"))[0] == ["a", "b"]
        assert (await names(resourceVersion=then))[0] == ["a", "b"]
        assert (await names(resourceVersion="0"))[0] == ["a", "b"]
        assert (await names(resourceVersion=then, limit="5"))[0] == ["a"]
        future = await api.send("GET", MAPS, query={"resourceVersion": "99999"})
        assert future.status == 504 and said(future)["message"].startswith(
            "Too large resource version: 99999"
        )

    run_api(body)


# Shapes


def test_metadata_alone_is_served_as_list_object_and_watch(run_api):
    async def body(api):
        made = await api.client.create(CONFIGMAPS, config(labels={"a": "b"}, secret="x"))
        listed = said(await api.send("GET", MAPS, accept=PARTIAL_LIST))
        assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
        (item,) = listed["items"]
        assert item["metadata"]["labels"] == {"a": "b"} and "data" not in item
        one = said(await api.send("GET", f"{MAPS}/c", accept=PARTIAL))
        assert one["kind"] == "PartialObjectMetadata" and one["metadata"]["uid"] == made["metadata"]["uid"]
        await api.client.patch(CONFIGMAPS, "c", {"data": {"secret": "y"}}, NS)
        query = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": revision_of(made)}
        (event,) = told(await api.send("GET", MAPS, query=query, accept=PARTIAL))
        assert event["object"]["kind"] == "PartialObjectMetadata" and "data" not in event["object"]

    run_api(body)


def test_a_table_is_refused_by_what_has_no_metadata_and_given_by_all_else(run_api):
    async def body(api):
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await api.send("POST", path, review, accept=TABLE)
        assert answer.status == 406 and said(answer)["reason"] == "NotAcceptable"
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        await api.client.create(PODS, {**pod, "metadata": {"name": "p", "namespace": NS}})
        table = said(await api.send("GET", "/api/v1/namespaces/default/pods/p", accept=TABLE))
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        first = table["columnDefinitions"][0]
        assert (first["name"], first["type"], first["format"]) == ("Name", "string", "name")
        assert table["rows"][0]["cells"][0] == "p"
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        nodes = said(await api.send("GET", "/api/v1/nodes", accept=TABLE))
        assert nodes["kind"] == "Table" and revision_of(nodes)

    run_api(body)


def test_discovery_is_one_document_or_many_and_they_agree(run_api):
    async def body(api):
        aggregated = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"
        whole = said(await api.send("GET", "/apis", accept=f"{aggregated},application/json"))
        assert whole["kind"] == "APIGroupDiscoveryList" and whole["apiVersion"] == "apidiscovery.k8s.io/v2"
        core = said(await api.send("GET", "/api", accept=aggregated))
        assert core["items"][0]["versions"][0]["version"] == "v1"
        groups = said(await api.send("GET", "/apis"))["groups"]
        assert [g["name"] for g in groups] == [item["metadata"]["name"] for item in whole["items"]]
        for group, item in zip(groups, whole["items"], strict=True):
            assert group["preferredVersion"] == group["versions"][0]
            for version, found in zip(group["versions"], item["versions"], strict=True):
                listed = said(await api.send("GET", f"/apis/{version['groupVersion']}"))
                assert listed["groupVersion"] == version["groupVersion"]
                plain = {r["name"] for r in listed["resources"] if "/" not in r["name"]}
                assert plain == {r["resource"] for r in found["resources"]}

    run_api(body)


def test_events_of_concurrent_writers_come_in_the_order_of_their_revisions(run_api):
    async def body(api):
        start = revision_of(await api.client.list(CONFIGMAPS, NS))
        await asyncio.gather(*(api.client.create(CONFIGMAPS, config(f"c{at}")) for at in range(20)))
        revisions = [int(revision_of(e["object"])) for e in await watched(api, start)]
        assert revisions == sorted(revisions) and len(set(revisions)) == 20

    run_api(body)
