"""Structured logs: JSON lines on stderr, or coloured text where stderr is a terminal.

`setup_logging` belongs to a component's `__main__`; `get_logger` may be called anywhere at import
time: structlog (over 100 ms to import) is only for terminals, and loaded with the first line.
"""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from typing import Any

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Settings:
    """What every logger of the process writes, and how. Until set up: warnings, on stderr."""

    level = LEVELS["warning"]
    component = ""
    structlog: Any = None


def setup_logging(level: str = "info", component: str = "") -> None:
    """`level` is debug, info, warning or error; `component` is a field of every line."""
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    _Settings.level = LEVELS[level]
    _Settings.component = component
    _Settings.structlog = None


class Logger:
    """`log.info("pod started", pod="default/web", took_s=0.03)`. `bind` adds fields to every line."""

    __slots__ = ("_fields", "name")

    def __init__(self, name: str, fields: dict[str, Any] | None = None) -> None:
        self.name = name
        self._fields = fields or {}

    def bind(self, **fields: Any) -> Logger:
        return Logger(self.name, {**self._fields, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        if _Settings.level <= 10:
            self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        if _Settings.level <= 20:
            self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        if _Settings.level <= 30:
            self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """As `error`, with the traceback of the exception being handled."""
        self._write("error", event, {"exc_info": True, **fields})

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        fields = {"logger": self.name, **self._fields, **fields}
        # A full disk or a closed pipe costs the line, never the work that is told about.
        with contextlib.suppress(OSError):
            if sys.stderr.isatty():
                logger = (_Settings.structlog or _configured()).get_logger()
                getattr(logger, level)(event, **fields)
            else:
                sys.stderr.write(_json_line(level, event, fields))
                sys.stderr.flush()


def get_logger(name: str) -> Logger:
    return Logger(name)


def _json_line(level: str, event: str, fields: dict[str, Any]) -> str:
    """One line in structlog's form: structlog itself would cost every component 60 ms and its memory for this."""
    import json

    if fields.pop("exc_info", False):
        import traceback

        fields["exception"] = traceback.format_exc().rstrip()
    line = {**fields, "event": event, "level": level, "time": datetime.now(UTC).isoformat()}
    if _Settings.component:
        line["component"] = _Settings.component
    return json.dumps(line, default=str) + "\n"


def _configured() -> Any:
    """structlog for people who look on."""
    import structlog

    def add_component(_logger: Any, _method: str, fields: Any) -> Any:
        if _Settings.component:
            fields["component"] = _Settings.component
        return fields

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="time"),
            add_component,
            structlog.dev.ConsoleRenderer(),
        ],
        logger_factory=_StderrFactory(),
        cache_logger_on_first_use=False,
    )
    _Settings.structlog = structlog
    return structlog


class _StderrFactory:
    """Looks stderr up at every line, so that redirection after set-up is honoured."""

    def __call__(self, *_args: Any) -> Any:
        import structlog

        return structlog.PrintLogger(sys.stderr)
