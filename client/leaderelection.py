"""One leader among several instances of a component, by a Lease.

The Lease names its holder and when it was renewed. A candidate takes it when it has watched the
record stand unchanged for the lease's duration, by its own monotonic clock: the clocks of the
instances need not agree, only run equally fast. The leader that cannot renew within the deadline
stops leading before anyone else may start.

Source: client-go leaderelection (lease 15 s, renew deadline 10 s, retry 2 s, jitter 1.2).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from client.client import Client, Obj
from client.logs import get_logger
from client.transport import TransportError
from machinery.clock import Clock, rfc3339_micro
from machinery.durations import parse_duration
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.gvk import LEASES

_JITTER = 1.2

log = get_logger("client.leaderelection")


class LeadershipLost(Exception):
    """The lease could not be renewed in time; the work under it has been cancelled."""


@dataclass(frozen=True, slots=True)
class LeaderElectionConfig:
    """`identity` must be unique among the instances."""

    name: str
    identity: str
    namespace: str = "kube-system"
    lease_duration_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_period_s: float = 2.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Upstream's flags, of every component that may have several instances."""
    add, standard = parser.add_argument, LeaderElectionConfig("", "")
    add("--leader-elect", action="store_true", help="run only while holding the lease")
    for flag, default, what in (
        ("lease-duration", standard.lease_duration_s, "how long a leader that is silent is left alone"),
        ("renew-deadline", standard.renew_deadline_s, "how long a leader that cannot renew goes on"),
        ("retry-period", standard.retry_period_s, "how often the lease is renewed or looked at"),
    ):
        add(f"--leader-elect-{flag}", type=parse_duration, default=default, help=f"{what} ({default:g}s)")


def config_of(options: argparse.Namespace, name: str, namespace: str = "kube-system") -> LeaderElectionConfig:
    """What the flags say, for this process."""
    return LeaderElectionConfig(
        name,
        f"{socket.gethostname()}_{os.getpid()}",
        namespace,
        options.leader_elect_lease_duration,
        options.leader_elect_renew_deadline,
        options.leader_elect_retry_period,
    )


class LeaderElector:
    def __init__(
        self, client: Client, clock: Clock, rng: random.Random, config: LeaderElectionConfig
    ) -> None:
        if not config.lease_duration_s > config.renew_deadline_s > config.retry_period_s * _JITTER:
            raise ValueError("lease duration > renew deadline > retry period x 1.2 must hold")
        self._client = client
        self._clock = clock
        self._rng = rng
        self._config = config
        self._observed: Obj = {}  # the lease's spec as last seen
        self._observed_at = 0.0  # when it was first seen so, monotonic
        self._held_for_s = 0.0  # from then on
        self._lease: Obj | None = None
        self.is_leader = False

    @property
    def leader(self) -> str:
        """Who leads, as far as is known; "" for nobody."""
        return self._observed.get("holderIdentity") or ""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Waits to lead, then runs `lead` until it ends. Raises LeadershipLost; releases on the way out."""
        await self._acquire()
        self.is_leader = True
        log.info("leading", lease=self._config.name, identity=self._config.identity)
        work = asyncio.ensure_future(_awaited(lead))
        renewal = asyncio.create_task(self._renew_until_lost(), name=f"renew {self._config.name}")
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                return
            renewal.result()
            raise LeadershipLost(f"lease {self._config.namespace}/{self._config.name} was lost")
        finally:
            self.is_leader = False
            for task in (work, renewal):
                task.cancel()
            await asyncio.wait({work, renewal})
            await self._release()

    async def _acquire(self) -> None:
        while not await self._try_acquire_or_renew():
            retry_s = self._config.retry_period_s * (1.0 + _JITTER * self._rng.random())
            await self._clock.sleep(min(retry_s, self._until_free()))

    def _until_free(self) -> float:
        """Seconds until the lease that was seen has run out; endless where that says nothing of when to look again."""
        left_s = self._observed_at + self._held_for_s - self._clock.monotonic()
        return left_s if self.leader and left_s > 0 else math.inf

    async def _renew_until_lost(self) -> None:
        renewed_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._config.retry_period_s)
            left_s = self._config.renew_deadline_s - (self._clock.monotonic() - renewed_at)
            renewed = False
            if left_s > 0:
                try:
                    async with asyncio.timeout(left_s):
                        renewed = await self._try_acquire_or_renew()
                except TimeoutError:
                    log.warning("renewing the lease took too long", lease=self._config.name)
            now = self._clock.monotonic()
            if renewed:
                renewed_at = now
            elif now - renewed_at >= self._config.renew_deadline_s or self.leader != self._config.identity:
                return

    async def _try_acquire_or_renew(self) -> bool:
        try:
            return await self._step()
        except (ApiError, TransportError) as error:
            log.info("the lease could not be read or written", lease=self._config.name, why=str(error))
            return False

    async def _step(self) -> bool:
        config = self._config
        now = self._clock.now()
        try:
            lease = await self._client.get(LEASES, config.name, config.namespace)
        except NotFound:
            lease = {
                "kind": "Lease",
                "apiVersion": "coordination.k8s.io/v1",
                "metadata": {"name": config.name, "namespace": config.namespace},
                "spec": self._record({}, now),
            }
            try:
                self._observe(await self._client.create(LEASES, lease))
            except AlreadyExists:
                return False
            return True
        self._observe(lease)
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        self._held_for_s = float(spec.get("leaseDurationSeconds") or config.lease_duration_s)
        held_since_s = self._clock.monotonic() - self._observed_at
        if holder not in ("", config.identity) and held_since_s < self._held_for_s:
            return False
        self._observe(await self._client.update(LEASES, {**lease, "spec": self._record(spec, now)}))
        return True

    def _record(self, old: Obj, now: float) -> Obj:
        mine = old.get("holderIdentity") == self._config.identity
        stamp = rfc3339_micro(now)
        transitions = int(old.get("leaseTransitions") or 0)
        return {
            **old,
            "holderIdentity": self._config.identity,
            "leaseDurationSeconds": int(self._config.lease_duration_s),
            "acquireTime": old.get("acquireTime", stamp) if mine else stamp,
            "renewTime": stamp,
            "leaseTransitions": transitions if mine or not old else transitions + 1,
        }

    def _observe(self, lease: Obj) -> None:
        spec: Any = lease.get("spec") or {}
        self._lease = lease
        if spec != self._observed:
            self._observed = spec
            self._observed_at = self._clock.monotonic()

    async def _release(self) -> None:
        """Gives the lease back, so that the next leader need not wait it out."""
        if self._lease is None or self.leader != self._config.identity:
            return
        spec = {**self._observed, "holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            async with asyncio.timeout(self._config.retry_period_s):
                self._observe(await self._client.update(LEASES, {**self._lease, "spec": spec}))
        except (ApiError, TransportError, TimeoutError) as error:
            log.info("the lease could not be given back", lease=self._config.name, why=str(error))


async def _awaited(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()
