"""A container of the fake runtime: its status with what a kernel would know of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from runtime.cri import Container
from runtime.fake_programs import Program
from runtime.fake_streams import FakeStream


@dataclass(slots=True)
class Running:
    status: Container
    program: Program
    starting: bool = False
    timer: asyncio.TimerHandle | None = None
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    streams: list[FakeStream] = field(default_factory=list)
