"""`kctl apiserver`: the composition root. Reads flags, builds the parts, serves until SIGTERM.

The only place of this package that builds concrete classes, opens sockets and looks at files named by flags.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from api.resource import Resource
from apiserver.aggregation.reach import FrontProxy
from apiserver.apart import Worker
from apiserver.audit_flags import add_flags as add_audit_flags
from apiserver.audit_flags import make_audit
from apiserver.auth.token_file import TokenFileError
from apiserver.backends.backend import Backend, StoreUnavailable
from apiserver.background import Work
from apiserver.composition import make_admission, make_cacher, resources_of
from apiserver.config_file import ConfigFileError, follow_files
from apiserver.encryption import FlaggedEncryption
from apiserver.encryption import add_flags as add_encryption_flags
from apiserver.engine.engine import Engine
from apiserver.guard import Guard, rbac_guard
from apiserver.http.audit import NoAudit
from apiserver.http.serve import Listener, plan_connections
from apiserver.http.served import Limits
from apiserver.http.tls_reload import LiveContext
from apiserver.node_tls import TlsNodeConnector
from apiserver.security import FlaggedSecurity
from apiserver.security_flags import add_flags as add_security_flags
from apiserver.server import ApiServer, Parts
from apiserver.storage.cacher import Cacher
from apiserver.storage.cipher import CipherError
from client.livez import answer_livez
from client.logs import get_logger, setup_logging
from machinery.clock import SystemClock
from machinery.errors import ApiError

log = get_logger("apiserver")

_DRAIN_S = 5.0
_LEAVE_S = 1.0
_FILES = 32_768


class StartError(Exception):
    """What was asked cannot be started; the message says why and what to do."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kctl apiserver", description="Serves the Kubernetes API, keeps the cluster's state."
    )
    _add_store_flags(parser)
    _add_serving_flags(parser)
    _add_outward_flags(parser)
    add_encryption_flags(parser)
    add_audit_flags(parser)
    add_security_flags(parser)
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


def _add_store_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("store").add_argument
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
    add(
        "--etcd-defragment",
        action="store_true",
        help="make etcd's file smaller when more than half of it is free, which stops a member for a moment, and lift its "
        "alarm of no space when that has made room; for an etcd that is this cluster's alone",
    )


def _add_serving_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("serving").add_argument
    add("--bind-address", action="append", default=[], help="address to listen on (repeatable; 127.0.0.1)")
    add("--port", type=int, default=6443, help="port to listen on; 0 chooses one")
    add("--advertise-address", default="", help="where the cluster's pods and nodes reach this server")
    add("--tls-cert-file", type=Path, help="this server's certificate; without it, plain HTTP on loopback")
    add("--tls-private-key-file", type=Path, help="its key")
    add("--client-ca-file", type=Path, help="CA of client certificates")
    add("--service-cluster-ip-range", default="10.96.0.0/16", help="addresses of Services")
    add(
        "--cluster-dns",
        default="",
        help="the address of a Service kube-system/kube-dns, which nodes answer (default: none)",
    )
    add("--max-requests-inflight", type=int, default=400, help="reads served at a time, shared out by level")
    add("--max-mutating-requests-inflight", type=int, default=200, help="writes, which are added to them")


def _add_outward_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("node agents and aggregated API servers").add_argument
    add("--kubelet-client-certificate", type=Path, help="certificate shown to node agents")
    add("--kubelet-client-key", type=Path, help="its key")
    add("--kubelet-certificate-authority", type=Path, help="CA of the node agents' certificates")
    add("--requestheader-client-ca-file", type=Path, help="CA of what aggregated API servers are shown")
    add("--proxy-client-cert-file", type=Path, help="the certificate they are shown")
    add("--proxy-client-key-file", type=Path, help="its key")


def _backend(options: argparse.Namespace, clock: SystemClock, rng: random.Random) -> Backend:
    if options.store == "memory":
        from apiserver.backends.memory import MemoryBackend

        # Ten thousand a second since 1970: more than any process wrote before this one, and exact as a float.
        return MemoryBackend(clock, after=int(clock.now() * 10_000))
    if options.store == "etcd":
        from apiserver.backends.etcd import EtcdBackend
        from apiserver.backends.etcd_client import EtcdTls

        tls = EtcdTls(options.etcd_cafile, options.etcd_certfile, options.etcd_keyfile)
        return EtcdBackend(
            options.etcd_servers.split(","),
            clock,
            rng,
            prefix=options.etcd_prefix,
            tls=tls,
            defragment=options.etcd_defragment,
        )
    from apiserver.backends.sqlite import SqliteBackend

    return SqliteBackend(options.data_dir / "store.db", clock)


def _node_context(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.kubelet_certificate_authority is None:
        return None
    context = ssl.create_default_context(cafile=str(options.kubelet_certificate_authority))
    if options.kubelet_client_certificate is not None:
        context.load_cert_chain(options.kubelet_client_certificate, options.kubelet_client_key)
    return context


async def _follow_client(options: argparse.Namespace, context: ssl.SSLContext, clock: SystemClock) -> None:
    """New connections to node agents show the newest certificate."""
    files = [options.kubelet_client_certificate, options.kubelet_client_key]

    def reload() -> None:
        try:
            context.load_cert_chain(*files)
        except (OSError, ssl.SSLError) as error:
            raise ConfigFileError(f"{files[0]} and {files[1]} cannot be used: {error}") from error

    await follow_files(files, reload, clock)


def _front_proxy(options: argparse.Namespace) -> FrontProxy | None:
    ca, cert, key = (
        options.requestheader_client_ca_file,
        options.proxy_client_cert_file,
        options.proxy_client_key_file,
    )
    if not (cert or key) and (not ca or options.requestheader_username_headers):
        return None
    if not (ca and cert and key):
        raise StartError(
            "--requestheader-client-ca-file, --proxy-client-cert-file and --proxy-client-key-file go together"
        )
    named = [word.strip() for word in options.requestheader_allowed_names.split(",") if word.strip()]
    return FrontProxy(cert, key, ca.read_text(), named) if named else FrontProxy(cert, key, ca.read_text())


def _tls(options: argparse.Namespace, addresses: Sequence[str]) -> LiveContext | None:
    if options.tls_cert_file is None:
        if any(address not in ("127.0.0.1", "::1", "localhost") for address in addresses):
            raise StartError("without --tls-cert-file only loopback addresses are served")
        return None
    # Whoever shows a certificate of the proxies' CA is known by it only where proxies are believed.
    proxies = options.requestheader_client_ca_file if options.requestheader_username_headers else None
    cas = (options.client_ca_file, proxies)
    return LiveContext(options.tls_cert_file, options.tls_private_key_file, cas)


async def run(options: argparse.Namespace) -> None:
    """Builds everything and serves until SIGTERM or SIGINT. Raises StartError, StoreUnavailable, OSError."""
    clock, rng = SystemClock(), random.Random()
    backend = _backend(options, clock, rng)
    addresses = options.bind_address or ["127.0.0.1"]
    security = FlaggedSecurity(options, clock, rng)
    identity = f"{socket.gethostname()}/{options.audit_log_path or options.data_dir}"
    encryption = FlaggedEncryption(options, clock, rng, identity)
    audit = make_audit(options, clock, rng)

    def make_store(resource: Resource) -> Cacher:
        return make_cacher(backend, resource, clock, rng, encryption.cipher(resource))

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
    node_context = _node_context(options)
    server = ApiServer(
        Parts(
            backend=backend,
            clock=clock,
            rng=rng,
            make_store=make_store,
            make_guard=make_guard,
            connector=TlsNodeConnector(node_context),
            resources_of=resources_of,
            audit=audit or NoAudit(),
            apart=Worker(),
            service_cidr=options.service_cluster_ip_range,
            cluster_dns=options.cluster_dns,
            seats=options.max_requests_inflight + options.max_mutating_requests_inflight,
            identity=identity,
            ready_checks=encryption.checks(),
            front_proxy=_front_proxy(options),
            client_ca=options.client_ca_file.read_text() if options.client_ca_file else "",
            advertise=[advertise],
            port=options.port,
        )
    )
    server.metrics.source(encryption.families)
    tls = _tls(options, addresses)
    listener = Listener(
        server.app,
        [(address, options.port) for address in addresses],
        tls.context if tls else None,
        Limits(connections=plan_connections(_open_many_files())),
        tunnels=server.tunnels,
    )
    await encryption.start()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run(), name="server")
        work: dict[str, Work] = {
            "encryption configuration": encryption.follow,
            "livez": answer_livez,
        }
        if audit is not None:
            work["audit"] = audit.run
        if tls is not None:

            def reload_tls() -> None:
                tls.reload()
                for authorities in security.authorities:
                    authorities.reload()

            work["certificates"] = lambda: follow_files(tls.files, reload_tls, clock)
        if node_context is not None and options.kubelet_client_certificate is not None:
            work["certificate shown to node agents"] = lambda: _follow_client(options, node_context, clock)
        beside = [
            group.create_task(server.background.keep(name, each), name=name) for name, each in work.items()
        ]
        ready = group.create_task(server.ready())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        await listener.start()
        _settle()
        where = " ".join(f"{a}:{p}" for a, p in zip(addresses, listener.ports, strict=True))
        log.info("serving", addresses=where, store=options.store)
        await stopping.wait()
        log.info("stopping")
        with contextlib.suppress(ApiError, StoreUnavailable, TimeoutError):  # its lease runs out all the same
            async with asyncio.timeout(_LEAVE_S):
                await server.leave()
        server.stop()
        await listener.stop(_DRAIN_S)
        running.cancel()
        for task in beside:
            task.cancel()
    await encryption.close()


def _open_many_files() -> int:
    """Each connection takes one; a shell's bound is meant for programs that wait with select. How many there may be now."""
    import resource

    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(_FILES, most) if most != resource.RLIM_INFINITY else _FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        soft = wanted
    return soft if soft != resource.RLIM_INFINITY else _FILES


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
