"""Keeps a connection's credentials those of its kubeconfig: the file is read again now and then, and what has changed in
it (a renewed certificate) is shown in every new connection."""

from __future__ import annotations

from collections.abc import Callable

from client.http1 import HttpTransport
from client.kubeconfig import ClientConfig, KubeconfigError, load_or_in_cluster
from client.logs import get_logger
from machinery.clock import Clock

log = get_logger("kubeconfig")

EVERY_S = 60.0


def _as_it_is(config: ClientConfig) -> ClientConfig:
    return config


async def follow_kubeconfig(
    path: str,
    transport: HttpTransport,
    clock: Clock,
    adjust: Callable[[ClientConfig], ClientConfig] = _as_it_is,
) -> None:
    """Until cancelled. `adjust` may put other credentials in place of the file's."""
    known: ClientConfig | None = None
    while True:
        try:
            config = adjust(load_or_in_cluster(path))
            if known is not None and config != known:
                context = config.ssl_context()
                if context is not None:
                    transport.use_context(context)
                log.info("took up changed credentials", server=config.server)
            known = config
        except KubeconfigError as error:
            log.error("the kubeconfig cannot be read again, the old credentials stay", error=str(error))
        await clock.sleep(EVERY_S)
