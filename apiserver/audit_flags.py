"""The audit log as the flags ask for it; names are upstream's."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from apiserver.config_file import ConfigFileError, read_config
from apiserver.http.audit import Recorder
from apiserver.http.audit_policy import SHAPE, DefaultPolicy, Policy, parse_policy
from apiserver.http.audit_sinks import LogFile, Sink, Webhook
from machinery.clock import Clock
from machinery.durations import parse_duration

_MIB = 1024 * 1024


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("audit").add_argument
    add("--audit-policy-file", type=Path, help="Policy: how much is told of which request (metadata of changes, "
        "refusals and reads of secrets)")  # fmt: skip
    add(
        "--audit-log-path",
        type=Path,
        help="where the audit log is written, - for standard output; none without it",
    )
    add("--audit-log-maxsize", type=int, default=100, help="megabytes of a file before a new one is begun")
    add("--audit-log-maxbackup", type=int, default=0, help="how many of the old ones are kept (0: all)")
    add("--audit-log-maxage", type=int, default=0, help="how many days they are kept (0: for ever)")
    add("--audit-webhook-config-file", default="", help="kubeconfig of who is sent the events")
    add("--audit-webhook-mode", choices=("batch",), default="batch", help="requests never wait for it")
    add("--audit-webhook-batch-buffer-size", type=int, default=10000, help="events that may wait")
    add("--audit-webhook-batch-max-size", type=int, default=400, help="events sent at once")
    add("--audit-webhook-batch-max-wait", default="30s", help="how long the first of them may wait")
    add("--audit-webhook-initial-backoff", default="10s", help="how long to wait before trying again")


def make_audit(options: argparse.Namespace, clock: Clock, rng: random.Random) -> Recorder | None:
    """What records, to be run; None where nothing is to be told. Raises ConfigFileError."""
    sinks: list[Sink] = []
    if options.audit_log_path is not None:
        log = LogFile(
            options.audit_log_path,
            clock,
            max_bytes=options.audit_log_maxsize * _MIB,
            backups=options.audit_log_maxbackup,
            max_age_days=options.audit_log_maxage,
        )
        sinks.append(log)
    if options.audit_webhook_config_file:
        sinks.append(_webhook(options, clock, rng))
    if not sinks:
        if options.audit_policy_file is not None:
            raise ConfigFileError("--audit-policy-file needs --audit-log-path or --audit-webhook-config-file")
        return None
    policy: Policy = DefaultPolicy()
    if options.audit_policy_file is not None:
        policy = read_config(options.audit_policy_file, SHAPE, parse_policy)
    return Recorder(policy, sinks)


def _webhook(options: argparse.Namespace, clock: Clock, rng: random.Random) -> Webhook:
    from client.kubeconfig import KubeconfigError, load

    try:
        transport = load(options.audit_webhook_config_file).transport()
        max_wait_s = parse_duration(options.audit_webhook_batch_max_wait)
        backoff_s = parse_duration(options.audit_webhook_initial_backoff)
    except (KubeconfigError, ValueError) as error:
        raise ConfigFileError(f"--audit-webhook-*: {error}") from error
    return Webhook(
        transport,
        clock,
        rng,
        buffer=options.audit_webhook_batch_buffer_size,
        batch=options.audit_webhook_batch_max_size,
        max_wait_s=max_wait_s,
        backoff_s=backoff_s,
    )
