"""The termination message of a container that ended: its file, else (if asked) the end of its log."""

from __future__ import annotations

from nodeagent.files import HostFiles
from nodeagent.labels import TERMINATION_MESSAGE_HOST_PATH, TERMINATION_MESSAGE_POLICY
from runtime.cri import Container

FILE_LIMIT = 4096
LOG_LIMIT_BYTES, LOG_LIMIT_LINES = 2048, 80


def termination_message(files: HostFiles, log_files: HostFiles, container: Container) -> str:
    path = container.config.annotations.get(TERMINATION_MESSAGE_HOST_PATH, "")
    text = ""
    if path:
        try:
            text = files.read(path)[:FILE_LIMIT].decode("utf-8", "replace")
        except OSError:
            text = ""
    policy = container.config.annotations.get(TERMINATION_MESSAGE_POLICY)
    if text or policy != "FallbackToLogsOnError" or container.exit_code == 0 or not container.log_path:
        return text
    try:
        raw = log_files.read(container.log_path, 16 * 1024)
    except OSError:
        return ""
    return log_tail(raw)


def log_tail(raw: bytes) -> str:
    """The last lines of a CRI log, without stamps, within the limits of a message."""
    pieces: list[bytes] = []
    for line in raw.split(b"\n")[-LOG_LIMIT_LINES - 1 :]:
        parts = line.split(b" ", 3)
        if len(parts) == 4:
            pieces.append(parts[3] + (b"\n" if parts[2] == b"F" else b""))
    return b"".join(pieces)[-LOG_LIMIT_BYTES:].decode("utf-8", "replace")
