"""What every ImageService promises: our own over a registry on loopback, and the simulator's fake."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from machinery.clock import SystemClock
from runtime.cri import ImageFailure, ImageService
from runtime.fake_images import FakeImages


@dataclass
class Subject:
    service: ImageService
    reference: str  # can be pulled
    missing: str  # cannot
    count_pulls: Callable[[], int]


@pytest.fixture(params=["local", "fake"])
def subject(request, registry, images_at, image_of, tar_of) -> Subject:
    if request.param == "fake":
        fake = FakeImages(SystemClock(), pull_s=0.001)
        fake.fail_pulls("missing/image:1", ImageFailure("ErrImagePull", "not found"))
        return Subject(fake, "team/app:1", "missing/image:1", lambda: len(fake.pulls))
    reference = registry.add("team/app:1", image_of(tar_of({"hello": b"hi"})))
    return Subject(
        images_at(),
        reference,
        f"{registry.address}/missing/image:1",
        lambda: len(registry.paths("/team/app/manifests/")),
    )


def run(subject: Subject, scenario) -> None:
    async def started() -> None:
        await subject.service.start()
        try:
            await scenario(subject.service)
        finally:
            await subject.service.close()

    asyncio.run(started())


def test_pulled_image_is_found_by_every_name_it_has(subject):
    async def scenario(service):
        image_id = await service.pull_image(subject.reference)
        image = await service.image_status(subject.reference)
        assert image is not None
        assert image.id == image_id
        assert any(tag.endswith("team/app:1") for tag in image.repo_tags)
        assert image.size_bytes > 0
        for name in (image_id, *image.repo_tags, *image.repo_digests):
            assert (await service.image_status(name)) == image
        assert list(await service.list_images()) == [image]

    run(subject, scenario)


def test_unknown_image_has_no_status(subject):
    async def scenario(service):
        assert await service.image_status(subject.reference) is None
        assert await service.image_status("sha256:" + "0" * 64) is None
        assert list(await service.list_images()) == []

    run(subject, scenario)


def test_pull_again_gives_the_same_id(subject):
    async def scenario(service):
        first = await service.pull_image(subject.reference)
        assert await service.pull_image(subject.reference) == first
        assert len(await service.list_images()) == 1

    run(subject, scenario)


def test_concurrent_pulls_of_one_reference_are_one_pull(subject):
    async def scenario(service):
        ids = await asyncio.gather(*(service.pull_image(subject.reference) for _ in range(8)))
        assert len(set(ids)) == 1
        assert subject.count_pulls() == 1

    run(subject, scenario)


def test_missing_image_fails_with_the_cause(subject):
    async def scenario(service):
        with pytest.raises(ImageFailure) as failure:
            await service.pull_image(subject.missing)
        assert failure.value.reason == "ErrImagePull"
        assert "not found" in str(failure.value)
        assert await service.image_status(subject.missing) is None

    run(subject, scenario)


def test_malformed_reference_is_an_invalid_image_name(subject):
    async def scenario(service):
        for reference in ("", "a b", "busybox:", "busybox@sha256:12"):
            with pytest.raises(ImageFailure) as failure:
                await service.pull_image(reference)
            assert failure.value.reason == "InvalidImageName"
            assert await service.image_status(reference) is None

    run(subject, scenario)


def test_removed_image_is_gone_and_removing_again_succeeds(subject):
    async def scenario(service):
        image_id = await service.pull_image(subject.reference)
        await service.remove_image(image_id)
        assert await service.image_status(subject.reference) is None
        await service.remove_image(image_id)
        await service.remove_image(subject.reference)

    run(subject, scenario)


def test_image_filesystem_grows_with_images(subject):
    async def scenario(service):
        before = await service.image_fs_info()
        await service.pull_image(subject.reference)
        after = await service.image_fs_info()
        assert after.used_bytes > before.used_bytes
        assert 0 < after.available_bytes <= after.capacity_bytes
        assert 0 < after.inodes_free <= after.inodes

    run(subject, scenario)
