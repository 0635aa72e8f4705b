"""`kctl apiserver`: the composition root. Reads flags, builds the parts, serves until SIGTERM.

The only place of this package that builds concrete classes, opens sockets and looks at files named by flags.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import random
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from api.resource import Resource
from apiserver.aggregation.reach import FrontProxy
from apiserver.auth.token_file import TokenFileError
from apiserver.backends.backend import Backend, StoreUnavailable
from apiserver.composition import is_secret, make_admission, make_cacher, resources_of
from apiserver.config_file import ConfigFileError
from apiserver.engine.engine import Engine
from apiserver.guard import Guard, rbac_guard
from apiserver.http.audit import Audit, FileAudit, NoAudit
from apiserver.http.serve import Listener, server_context
from apiserver.node_tls import TlsNodeConnector
from apiserver.security import FlaggedSecurity
from apiserver.security_flags import add_flags as add_security_flags
from apiserver.server import ApiServer, Parts
from apiserver.storage.cacher import Cacher
from apiserver.storage.cipher import CipherError
from apiserver.storage.encoding import Cipher
from client.logs import get_logger, setup_logging
from machinery.clock import SystemClock

log = get_logger("apiserver")

_DRAIN_S = 5.0


class StartError(Exception):
    """What was asked cannot be started; the message says why and what to do."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kctl apiserver", description="Serves the Kubernetes API, keeps the cluster's state."
    )
    add = parser.add_argument
    add("--data-dir", type=Path, default=Path("."), help="where the store lies")
    add("--store", choices=("sqlite", "memory", "etcd"), default="sqlite", help="what keeps the state")
    add(
        "--etcd-servers",
        default="http://127.0.0.1:2379",
        help="with --store etcd, where it is: http://HOST:PORT, https://HOST:PORT or unix:PATH, separated by commas",
    )
    add(
        "--etcd-prefix", default="", help="put before every key there; several clusters can share one etcd so"
    )
    add("--etcd-cafile", type=Path, help="CA of etcd's certificate")
    add("--etcd-certfile", type=Path, help="certificate shown to etcd")
    add("--etcd-keyfile", type=Path, help="its key")
    add("--bind-address", action="append", default=[], help="address to listen on (repeatable; 127.0.0.1)")
    add("--port", type=int, default=6443, help="port to listen on; 0 chooses one")
    add("--advertise-address", default="", help="where the cluster's pods and nodes reach this server")
    add("--tls-cert-file", type=Path, help="this server's certificate; without it, plain HTTP on loopback")
    add("--tls-private-key-file", type=Path, help="its key")
    add("--client-ca-file", type=Path, help="CA of client certificates")
    add("--service-cluster-ip-range", default="10.96.0.0/16", help="addresses of Services")
    add("--kubelet-client-certificate", type=Path, help="certificate shown to node agents")
    add("--kubelet-client-key", type=Path, help="its key")
    add("--kubelet-certificate-authority", type=Path, help="CA of the node agents' certificates")
    add(
        "--encryption-key-file",
        default="",
        help="keys that Secrets are encrypted with at rest, base64, one a line, the first one seals "
        "(made in the data directory if missing; 'none' stores them as they are)",
    )
    add("--audit-log-path", type=Path, help="where the audit log is written; none without it")
    add_security_flags(parser)
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


def _backend(options: argparse.Namespace, clock: SystemClock, rng: random.Random) -> Backend:
    if options.store == "memory":
        from apiserver.backends.memory import MemoryBackend

        # Ten thousand a second since 1970: more than any process wrote before this one, and exact as a float.
        return MemoryBackend(clock, after=int(clock.now() * 10_000))
    if options.store == "etcd":
        from apiserver.backends.etcd import EtcdBackend
        from apiserver.backends.etcd_client import EtcdTls

        tls = EtcdTls(options.etcd_cafile, options.etcd_certfile, options.etcd_keyfile)
        return EtcdBackend(options.etcd_servers.split(","), clock, rng, prefix=options.etcd_prefix, tls=tls)
    from apiserver.backends.sqlite import SqliteBackend

    return SqliteBackend(options.data_dir / "store.db", clock)


def _cipher(options: argparse.Namespace) -> Cipher | None:
    """What encrypts Secrets at rest; nothing for a store that is never at rest. Raises StartError, CipherError."""
    if options.encryption_key_file == "none" or (
        options.store == "memory" and not options.encryption_key_file
    ):
        return None
    from apiserver.storage.cipher import AesGcmCipher, new_key

    path = Path(options.encryption_key_file or options.data_dir / "encryption.key")
    if not path.exists():
        _write_key(path, base64.b64encode(new_key()) + b"\n")
    try:
        keys = [base64.b64decode(line, validate=True) for line in path.read_bytes().split()]
    except ValueError as error:
        raise StartError(f"{path} does not hold base64 keys: {error}") from error
    try:
        return AesGcmCipher(keys)
    except CipherError as error:
        raise StartError(
            f"{path}: {error}. Restore it; where no Secret was ever stored, remove it to have a new one made"
        ) from error


def _write_key(path: Path, content: bytes) -> None:
    """Whole or not at all: Secrets that were encrypted with a lost key are lost too. Of several servers that begin at once
    the first one's stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(part)
    part.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _node_context(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.kubelet_certificate_authority is None:
        return None
    context = ssl.create_default_context(cafile=str(options.kubelet_certificate_authority))
    if options.kubelet_client_certificate is not None:
        context.load_cert_chain(options.kubelet_client_certificate, options.kubelet_client_key)
    return context


def _front_proxy(options: argparse.Namespace) -> FrontProxy | None:
    given = (
        options.requestheader_client_ca_file,
        options.proxy_client_cert_file,
        options.proxy_client_key_file,
    )
    if not any(given):
        return None
    ca, cert, key = given
    if not (ca and cert and key):
        raise StartError(
            "--requestheader-client-ca-file, --proxy-client-cert-file and --proxy-client-key-file go together"
        )
    return FrontProxy(cert, key, ca.read_text())


def _tls(options: argparse.Namespace, addresses: Sequence[str]) -> ssl.SSLContext | None:
    if options.tls_cert_file is None:
        if any(address not in ("127.0.0.1", "::1", "localhost") for address in addresses):
            raise StartError("without --tls-cert-file only loopback addresses are served")
        return None
    return server_context(options.tls_cert_file, options.tls_private_key_file, options.client_ca_file)


async def run(options: argparse.Namespace) -> None:
    """Builds everything and serves until SIGTERM or SIGINT. Raises StartError, StoreUnavailable, OSError."""
    clock, rng = SystemClock(), random.Random()
    backend = _backend(options, clock, rng)
    addresses = options.bind_address or ["127.0.0.1"]
    security = FlaggedSecurity(options, clock, rng)
    cipher = _cipher(options)
    audit: Audit = NoAudit()
    file_audit = FileAudit(options.audit_log_path, clock) if options.audit_log_path else None
    if file_audit is not None:
        audit = file_audit

    def make_store(resource: Resource) -> Cacher:
        return make_cacher(backend, resource, clock, rng, cipher if is_secret(resource) else None)

    def make_guard(engine: Engine) -> Guard:
        return rbac_guard(
            engine,
            signer=security.signer,
            clock=clock,
            rng=rng,
            make_admission=make_admission,
            options=security.options,
            anonymity=security.anonymity,
            follow=security.follow,
        )

    advertise = options.advertise_address or addresses[0]
    server = ApiServer(
        Parts(
            backend=backend,
            clock=clock,
            rng=rng,
            make_store=make_store,
            make_guard=make_guard,
            connector=TlsNodeConnector(_node_context(options)),
            resources_of=resources_of,
            audit=audit,
            service_cidr=options.service_cluster_ip_range,
            seats=options.max_requests_inflight + options.max_mutating_requests_inflight,
            front_proxy=_front_proxy(options),
            client_ca=options.client_ca_file.read_text() if options.client_ca_file else "",
            advertise=[advertise],
            port=options.port,
        )
    )
    listener = Listener(
        server.app, [(address, options.port) for address in addresses], _tls(options, addresses)
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run(), name="server")
        auditing = group.create_task(file_audit.run(), name="audit") if file_audit else None
        ready = group.create_task(server.ready())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        await listener.start()
        _settle()
        where = " ".join(f"{a}:{p}" for a, p in zip(addresses, listener.ports, strict=True))
        log.info("serving", addresses=where, store=options.store)
        await stopping.wait()
        log.info("stopping")
        server.stop()
        await listener.stop(_DRAIN_S)
        running.cancel()
        if auditing is not None:
            auditing.cancel()


def _settle() -> None:
    """What is made until the first request lives as long as the process: the collector need not look at it again,
    and need not look often at all, since stored objects are bytes without references."""
    import gc

    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    setup_logging(options.log_level, "apiserver")
    # What is made until now lives as long as the process: the collector need not look at it again.
    import gc

    import uvloop

    gc.collect()
    gc.freeze()
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(options))
    except* (StartError, StoreUnavailable, CipherError, ConfigFileError, TokenFileError, OSError) as errors:
        for error in _leaves(errors):
            print(f"kctl apiserver: {error}", file=sys.stderr)
        code = 1
    except* KeyboardInterrupt:
        code = 130
    return code


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
