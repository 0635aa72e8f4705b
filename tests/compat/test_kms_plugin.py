"""A plugin on upstream's own gRPC server (k8s.io/kms), and values between upstream's envelope and ours, both ways.

The program is tools/upstream/kms; `KCTL_KMS` names another binary. Skipped where there is none.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from apiserver.storage.cipher import ProviderCipher
from apiserver.storage.kms.figures import KmsFigures
from apiserver.storage.kms.plugin import Plugin
from apiserver.storage.kms.provider import KmsProvider
from machinery.clock import SystemClock

KEY = "/registry/secrets/a/s"


@pytest.fixture
def program() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = Path(os.environ.get("KCTL_KMS") or cache / "kctl/upstream/kms")
    if not os.access(found, os.X_OK):
        pytest.skip(f"{found} is not there: tools/setup.sh upstream-packages builds it")
    return found


def with_plugin(
    program: Path, socket: Path, key_id: str, body: Callable[[KmsProvider, ProviderCipher], Awaitable[None]]
) -> None:
    socket.unlink(missing_ok=True)
    serving = subprocess.Popen([program, "serve", str(socket), key_id])

    async def main() -> None:
        clock, figures = SystemClock(), KmsFigures()
        plugin = Plugin("p", f"unix://{socket}", 10.0, clock, figures)  # it waits for the program to listen
        provider = KmsProvider("p", plugin, clock, random.Random(), figures)
        try:
            assert await provider.check() == ""
            await body(provider, ProviderCipher([provider]))
        finally:
            await provider.close()

    try:
        asyncio.run(main())
    finally:
        serving.kill()
        serving.wait(10)


async def upstreams(program: Path, verb: str, socket: Path, key: str, given: bytes) -> tuple[bytes, str]:
    """What it printed, and what it complained of."""
    pipe = asyncio.subprocess.PIPE
    command = (str(program), verb, str(socket), "p", key)
    done = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    out, err = await done.communicate(given)
    return out, err.decode()


def test_upstream_reads_what_we_seal_and_we_read_what_it_sealed(program: Path, tmp_path: Path) -> None:
    socket = tmp_path / "kms"
    stored: list[bytes] = []

    async def first(provider: KmsProvider, cipher: ProviderCipher) -> None:
        stored.append(cipher.seal(KEY, b"by kctl"))
        assert await upstreams(program, "open", socket, KEY, base64.b64encode(stored[0])) == (
            b"by kctl",
            "stale: false\n",
        )
        _, refused = await upstreams(program, "open", socket, f"{KEY}2", base64.b64encode(stored[0]))
        assert "message authentication failed" in refused
        sealed, _ = await upstreams(program, "seal", socket, KEY, b"by upstream")
        stored.append(base64.b64decode(sealed))

    async def rotated(provider: KmsProvider, cipher: ProviderCipher) -> None:
        await cipher.fetch_keys(cipher.lacking(stored))
        assert [cipher.open(KEY, each)[0] for each in stored] == [b"by kctl", b"by upstream"]
        assert cipher.seals_as.endswith(b":key-2") and cipher.open(KEY, stored[1])[1].endswith(b":key-1")

    with_plugin(program, socket, "key-1", first)
    with_plugin(program, socket, "key-2", rotated)
