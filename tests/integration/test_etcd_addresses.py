"""Where etcd is, and who may ask it: addresses and client certificates."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop
from etcd_server import EtcdServer, free_port, fresh_prefix
from opened_etcd import opened

from apiserver.backends.backend import StoreUnavailable
from apiserver.backends.etcd_client import EtcdAddressError, EtcdTls, parse_server
from standalone.pki import Leaf, ensure_pki, utc_now


@pytest.mark.parametrize(
    "server", ["", "localhost:2379", "http://localhost", "ftp://h:1", "unix:", "https://:1"]
)
def test_address_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(EtcdAddressError):
        parse_server(server)


def test_addresses_are_read() -> None:
    assert parse_server("http://127.0.0.1:2379/") == ("127.0.0.1:2379", False)
    assert parse_server("https://[::1]:2379") == ("[::1]:2379", True)
    assert parse_server("unix:///run/e") == parse_server("unix:/run/e") == ("unix:/run/e", False)


def test_tls_with_client_certificates_works_and_strangers_are_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server_leaf = Leaf("etcd", "etcd", sans=("127.0.0.1",), client=True)
    ensure_pki(tmp_path, [server_leaf, Leaf("client", "kube-apiserver-etcd-client")], utc_now())
    ca, cert, key = (tmp_path / name for name in ("ca.crt", "client.crt", "client.key"))
    etcd = EtcdServer(
        "--client-cert-auth",
        f"--trusted-ca-file={ca}",
        f"--cert-file={tmp_path / 'etcd.crt'}",
        f"--key-file={tmp_path / 'etcd.key'}",
        listen=f"https://127.0.0.1:{free_port()}",
    ).start()

    async def main() -> None:
        tls: EtcdTls | None = EtcdTls(ca, cert, key)
        async with opened(etcd, fresh_prefix(), tls=tls) as backend, backend.watch("/", 0) as stream:
            await backend.put("/a", b"1" * 300_000)
            assert [len(c.kv.value) for c in await anext(stream)] == [300_000]
        for tls in (EtcdTls(ca), EtcdTls(), None):
            with pytest.raises(StoreUnavailable, match=etcd.url):
                async with opened(etcd, "/x", tls=tls, patience_s=0.3):
                    pass
        for tls in (EtcdTls(ca, cert), EtcdTls(tmp_path / "missing")):
            with pytest.raises(EtcdAddressError):
                async with opened(etcd, "/x", tls=tls):
                    pass

    try:
        asyncio.run(main())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    finally:
        etcd.remove()
