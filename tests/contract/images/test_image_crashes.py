"""kill -9 in the middle of a pull: the store stays whole, and the next pull ends what was begun."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

PULL = """
import asyncio, sys
from pathlib import Path
from machinery.clock import SystemClock
from runtime.images.service import LocalImages

async def main():
    service = LocalImages(Path(sys.argv[1]), SystemClock())
    await service.start()
    await service.pull_image(sys.argv[2])
    await service.close()

asyncio.run(main())
"""


def start_pull(root, reference) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PULL, str(root), reference], start_new_session=True)


def wait_until_asked(registry) -> None:
    deadline = time.monotonic() + 30
    while not registry.asked:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def image(image_of, tar_of):
    return image_of(tar_of({"a": os.urandom(400_000)}), tar_of({"b": b"2"}), gzipped=False)


def test_killed_pull_is_taken_up_by_the_next(registry, images_at, image):
    reference = registry.add("x/y:1", image)
    registry.gate = threading.Event()
    registry.gate_from_bytes = 400_000
    service = images_at()
    process = start_pull(service.store.root, reference)
    assert registry.half_sent.wait(30)
    partial = (
        service.store.root / "ingest" / (json.loads(image.manifest)["layers"][0]["digest"][7:] + ".partial")
    )
    deadline = time.monotonic() + 10
    while not partial.exists() or partial.stat().st_size < 100_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = partial.stat().st_size
    registry.gate.set()
    registry.gate = None

    async def scenario():
        await service.start()
        try:
            assert await service.pull_image(reference) == image.id
            assert [i.id for i in await service.list_images()] == [image.id]
            rootfs = await service.prepare("c", image.id)
            assert os.listdir(rootfs.lower[1]) == ["a"]
            assert await service.collect()
        finally:
            await service.close()

    asyncio.run(scenario())
    assert [a.headers["range"] for a in registry.asked if "range" in a.headers] == [f"bytes={left}-"]
    assert os.listdir(service.store.root / "ingest") == []
    assert os.listdir(service.store.root / "trash") == []


@pytest.mark.slow
def test_store_is_whole_wherever_a_pull_is_killed(registry, images_at, image):
    reference = registry.add("x/y:1", image)
    service = images_at()
    digests = {layer["digest"] for layer in json.loads(image.manifest)["layers"]}

    async def check(expect_image: bool):
        await service.start()
        names = await service.list_images()
        if expect_image:
            assert [i.id for i in names] == [image.id]
        for digest in service.store.content.digests():
            service.store.content.read(digest, 1 << 24)  # raises where the content is not what its name says
        for found in names:
            await service.prepare("c", found.id)
            await service.remove("c")
        if not expect_image:
            for found in names:
                await service.remove_image(found.id)
            assert await service.collect()

    async def kill_at(delay_s: float):
        registry.asked.clear()
        process = start_pull(service.store.root, reference)
        await asyncio.to_thread(wait_until_asked, registry)
        await asyncio.sleep(delay_s)
        process.kill()
        process.wait()
        await check(expect_image=False)

    async def scenario():
        for step in range(12):
            await kill_at(step * 0.003)
        await service.pull_image(reference)
        await check(expect_image=True)
        assert digests <= set(service.store.content.digests())
        await service.close()

    asyncio.run(scenario())
