"""Pulls from a registry that behaves, breaks, lies, redirects and asks for logins."""

import asyncio
import json
import threading

import pytest

from runtime.cri import Auth, ImageFailure
from runtime.images.endpoints import RegistryConfig
from runtime.images.service import SWEEP_AFTER_S, LocalImages
from runtime.images.transfer import Http, HttpOptions, LineError
from runtime.images.workers import Stop


def with_service(service: LocalImages, scenario):
    async def started():
        await service.start()
        try:
            return await scenario(service)
        finally:
            await service.close()

    return asyncio.run(started())


def pull(service: LocalImages, reference: str, auth: Auth | None = None) -> str:
    return with_service(service, lambda s: s.pull_image(reference, auth))


def refused(service: LocalImages, reference: str, auth: Auth | None = None) -> ImageFailure:
    with pytest.raises(ImageFailure) as failure:
        pull(service, reference, auth)
    return failure.value


def pauses(clock):
    """Between tries. The store also waits before it sweeps."""
    return [seconds for seconds in clock.slept if seconds != SWEEP_AFTER_S]


def files_in(service: LocalImages, folder: str) -> list[str]:
    return sorted(p.name for p in (service.store.root / folder).rglob("*") if p.is_file())


@pytest.fixture
def two_layers(image_of, tar_of):
    return image_of(tar_of({"a": b"1" * 5000, "b": b"2"}), tar_of({"c": b"3" * 900}))


def test_pulled_layers_become_the_rootfs_topmost_first(registry, images_at, two_layers):
    service = images_at()
    reference = registry.add("x/y:1", two_layers)

    async def scenario(s):
        image_id = await s.pull_image(reference)
        assert image_id == two_layers.id
        config = await s.image_config(image_id)
        assert (config.cmd, config.env, config.user) == (("/hello",), ("A=b",), "1000")
        return await s.prepare("c1", image_id)

    rootfs = with_service(service, scenario)
    names = [sorted(p.name for p in service.store.root.joinpath(lower).iterdir()) for lower in rootfs.lower]
    assert names == [["c"], ["a", "b"]]


def test_pull_by_digest_gets_no_tag(registry, images_at, two_layers):
    registry.add("x/y:1", two_layers)
    reference = f"{registry.address}/x/y@{two_layers.digest}"

    async def scenario(s):
        image = await s.image_status(await s.pull_image(reference))
        assert image.repo_tags == []
        assert image.repo_digests == [reference]

    with_service(images_at(), scenario)


def test_index_gives_the_manifest_of_this_platform(registry, images_at, image_of, tar_of):
    mine = image_of(tar_of({"mine": b"x"}))
    other = image_of(tar_of({"other": b"x"}), architecture="s390x")
    attestation = image_of(tar_of({"doc": b"x"}), architecture="unknown")
    reference = registry.add_index(
        "x/multi:1",
        [
            ({"os": "linux", "architecture": "s390x"}, other),
            ({"os": "linux", "architecture": "amd64"}, mine),
            ({"os": "unknown", "architecture": "unknown"}, attestation),
        ],
    )
    from runtime.images.manifest import Platform

    assert pull(images_at(platform=Platform("linux", "amd64")), reference) == mine.id
    failure = refused(images_at(platform=Platform("linux", "riscv64")), reference)
    assert "no match for platform linux/riscv64" in str(failure)
    assert "linux/s390x" in str(failure)


def test_wrong_manifest_digest_is_refused_and_nothing_kept(registry, images_at, two_layers):
    registry.add("x/y:1", two_layers)
    wrong = "sha256:" + "1" * 64
    registry.manifests[f"x/y:{wrong}"] = (two_layers.manifest, two_layers.media_type)
    service = images_at()
    failure = refused(service, f"{registry.address}/x/y@{wrong}")
    assert failure.reason == "ErrImagePull"
    assert wrong in str(failure)
    assert files_in(service, "blobs") == []


@pytest.mark.parametrize("change", ["flip", "longer", "shorter"])
def test_layer_with_other_content_is_refused_and_not_kept(registry, images_at, two_layers, change):
    reference = registry.add("x/y:1", two_layers)
    digest = json.loads(two_layers.manifest)["layers"][0]["digest"]
    good = registry.blobs[digest]
    registry.blobs[digest] = {
        "flip": good[:-1] + bytes([good[-1] ^ 1]),
        "longer": good + b"x",
        "shorter": good[:-1],
    }[change]
    service = images_at()
    failure = refused(service, reference)
    assert digest in str(failure)
    assert digest.removeprefix("sha256:") not in files_in(service, "blobs")
    assert with_service(images_at(), lambda s: s.list_images()) == []
    registry.blobs[digest] = good
    assert pull(images_at(), reference) == two_layers.id


def test_layer_that_unpacks_to_another_diff_id_is_refused(registry, images_at, image_of, tar_of):
    honest = image_of(tar_of({"a": b"1"}))
    config = json.loads(honest.config)
    config["rootfs"]["diff_ids"] = ["sha256:" + "2" * 64]
    honest.config = json.dumps(config).encode()
    manifest = json.loads(honest.manifest)
    manifest["config"].update(digest=honest.id, size=len(honest.config))
    honest.manifest = json.dumps(manifest).encode()
    service = images_at()
    failure = refused(service, registry.add("x/y:1", honest))
    assert "unpacks to content with the digest" in str(failure)
    assert not [name for name in files_in(service, "layers") if name.endswith(".json")]


def test_broken_download_is_taken_up_where_it_ended(registry, images_at, image_of, clock):
    import os

    image = image_of(b"", gzipped=False)
    big = _tar_of_random(os.urandom(300_000))
    image = image_of(big, gzipped=False)
    reference = registry.add("x/y:1", image)
    registry.break_blobs_after = [len(image.config), 100_000]  # the config comes whole, the layer does not
    assert pull(images_at(), reference) == image.id
    ranges = [a.headers.get("range") for a in registry.asked if "/blobs/" in a.path]
    assert ranges == [None, None, "bytes=100000-"]
    assert len(pauses(clock)) == 1


def _tar_of_random(data: bytes) -> bytes:
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("random")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def test_damaged_partial_download_is_fetched_anew(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    service = images_at()
    with_service(service, lambda s: s.list_images())
    digest = json.loads(two_layers.manifest)["layers"][0]["digest"].removeprefix("sha256:")
    (service.store.root / "ingest" / f"{digest}.partial").write_bytes(b"garbage")
    assert pull(images_at(), reference) == two_layers.id
    assert files_in(service, "ingest") == []


def test_server_errors_are_tried_again_with_growing_pauses(registry, images_at, two_layers, clock):
    reference = registry.add("x/y:1", two_layers)
    registry.fail_next = [(503, {}), (500, {}), (429, {"Retry-After": "7"})]
    assert pull(images_at(), reference) == two_layers.id
    assert pauses(clock) == [0.5, 1.0, 7.0]


def test_server_that_keeps_failing_is_told_with_its_words(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    registry.fail_next = [(503, {})] * 20
    failure = refused(images_at(), reference)
    assert failure.reason == "ErrImagePull"
    assert "503: later please" in str(failure)


def test_unreachable_registry_is_unavailable(images_at):
    failure = refused(images_at(), "127.0.0.1:1/x/y:1")
    assert failure.reason == "RegistryUnavailable"
    assert "connection refused" in str(failure) and "kctl images" not in str(failure)


def test_missing_registry_on_localhost_is_told_with_what_to_do(images_at):
    failure = refused(images_at(), "localhost:1/x:1")
    assert failure.reason == "RegistryUnavailable"
    assert "`kctl images build-busybox --tag localhost:1/x:1`" in str(failure)


def test_token_flow_asks_the_realm_once_and_uses_the_token(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    registry.token = "secret-token"
    registry.login = ("me", "pass")
    assert pull(images_at(), reference, Auth("me", "pass")) == two_layers.id
    assert len(registry.paths("/token")) == 1


def test_token_flow_without_login_is_anonymous(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    registry.token = "anonymous-token"
    assert pull(images_at(), reference) == two_layers.id


def test_registry_token_is_sent_as_it_is(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    registry.token = "given"
    assert pull(images_at(), reference, Auth(token="given")) == two_layers.id
    assert registry.paths("/token") == []


def test_basic_login_is_sent_after_the_challenge(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    registry.login = ("me", "pass")
    assert pull(images_at(), reference, Auth("me", "pass")) == two_layers.id
    wrong = refused(images_at(), reference, Auth("me", "wrong"))
    assert "pull access denied" in str(wrong)
    none = refused(images_at(), reference)
    assert "authentication required" in str(none)


def test_redirect_to_a_blob_server_does_not_carry_the_login(registry, second_registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    second_registry.blobs = dict(registry.blobs)
    registry.blobs.clear()
    registry.token = "secret-token"
    registry.redirect_blobs_to = f"http://{second_registry.address}"
    assert pull(images_at(), reference) == two_layers.id
    assert len(second_registry.asked) == 3
    assert all("authorization" not in a.headers for a in second_registry.asked)


def test_mirror_is_asked_first_and_without_the_login(registry, second_registry, images_at, two_layers):
    second_registry.add("x/y:1", two_layers)
    config = RegistryConfig(mirrors={registry.address: [f"http://{second_registry.address}"]})
    service = images_at(registries=config)
    assert pull(service, f"{registry.address}/x/y:1", Auth("me", "pass")) == two_layers.id
    assert registry.asked == []
    assert all("authorization" not in a.headers for a in second_registry.asked)


def test_mirror_without_the_image_falls_back_to_the_registry(
    registry, second_registry, images_at, two_layers
):
    reference = registry.add("x/y:1", two_layers)
    config = RegistryConfig(mirrors={registry.address: [f"http://{second_registry.address}"]})
    assert pull(images_at(registries=config), reference) == two_layers.id
    assert len(second_registry.paths("/manifests/")) == 1


def test_plain_http_is_not_spoken_to_other_hosts(registry, images_at, two_layers):
    registry.add("x/y:1", two_layers)
    port = registry.address.rpartition(":")[2]
    # the host's own name or address is not loopback to the rule, whatever it resolves to
    from runtime.images.endpoints import is_loopback, plan_endpoints
    from runtime.images.reference import parse_reference

    assert not is_loopback(f"registry.example:{port}")
    (endpoint,) = plan_endpoints(
        parse_reference(f"registry.example:{port}/x/y"), RegistryConfig(), Auth("u", "p")
    )
    assert endpoint.base_url == f"https://registry.example:{port}"


def test_cancelled_pull_returns_at_once_and_the_next_takes_it_up(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)
    service = images_at()

    async def scenario(s):
        registry.gate = threading.Event()
        first = asyncio.create_task(s.pull_image(reference))
        second = asyncio.create_task(s.pull_image(reference))
        await asyncio.to_thread(registry.half_sent.wait, 10)
        first.cancel()
        await asyncio.wait([first])
        assert not second.done()  # somebody still wants it
        second.cancel()
        await asyncio.wait([second])
        assert second.cancelled()
        assert await s.collect()  # nothing holds the store any more
        registry.gate.set()
        registry.gate = None
        return await s.pull_image(reference)

    assert with_service(service, scenario) == two_layers.id


def test_clean_up_during_a_pull_waits_for_another_time(registry, images_at, two_layers):
    reference = registry.add("x/y:1", two_layers)

    async def scenario(s):
        registry.gate = threading.Event()
        pulling = asyncio.create_task(s.pull_image(reference))
        await asyncio.to_thread(registry.half_sent.wait, 10)
        assert not await s.collect()
        registry.gate.set()
        assert await pulling == two_layers.id
        assert await s.collect()
        assert (await s.prepare("c", two_layers.id)).lower

    with_service(images_at(), scenario)


def test_two_agents_on_one_store_pull_the_layers_once(registry, images_at, two_layers, tmp_path):
    reference = registry.add("x/y:1", two_layers)
    one = images_at(node_root=tmp_path / "node1")
    two = images_at(node_root=tmp_path / "node2")

    async def scenario(_):
        await two.start()
        try:
            ids = await asyncio.gather(one.pull_image(reference), two.pull_image(reference))
            assert set(ids) == {two_layers.id}
            first = await one.prepare("c1", ids[0])
            second = await two.prepare("c1", ids[0])
            assert first.lower == second.lower
            assert first.upper != second.upper
        finally:
            await two.close()

    with_service(one, scenario)
    assert len(registry.paths("/blobs/")) == 3


def test_https_registry_with_an_own_authority_is_trusted(tls_registry, certificate, images_at, two_layers):
    reference = tls_registry.add("x/y:1", two_layers)
    config = RegistryConfig(ca_files={tls_registry.address: str(certificate)})
    assert pull(images_at(registries=config), reference) == two_layers.id


def test_https_registry_with_an_unknown_certificate_is_not_spoken_to(tls_registry, images_at, two_layers):
    with (
        pytest.raises(LineError, match="certificate is not trusted"),
        Http(HttpOptions()).request("GET", f"https://{tls_registry.address}/v2/", {}, Stop()),
    ):
        pass
    missing = RegistryConfig(ca_files={tls_registry.address: "/nonexistent.pem"})
    failure = refused(images_at(registries=missing), f"{tls_registry.address}/x/y:1")
    assert failure.reason == "RegistryUnavailable"
    assert "CA file /nonexistent.pem" in str(failure)
    assert tls_registry.asked == []
