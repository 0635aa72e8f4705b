"""`kctl controllers`: the composition root of the controller manager. Reads flags, runs until SIGTERM."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from client.client import Client
from client.kubeconfig import ClientConfig
from controllers.component import ControllerManager, controller_names
from controllers.csrsigning import FileSigner
from controllers.framework.process import add_flags, run_process
from controllers.token_key import TokenKey
from machinery.clock import Clock
from machinery.durations import parse_duration


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kctl controllers",
        description="Runs the built-in controllers. Talks only to the API server.",
    )
    add_flags(parser, port=10257, namespace="kube-system")
    parser.add_argument(
        "--controllers",
        default="*",
        help=f"comma-separated; * is all, -NAME leaves one out. All: {', '.join(controller_names())}",
    )
    parser.add_argument(
        "--root-ca-file", default="", help="CA bundle to publish in every namespace (default: kubeconfig's)"
    )
    parser.add_argument(
        "--allocate-node-cidrs", action="store_true", help="give every node a range of --cluster-cidr"
    )
    parser.add_argument("--cluster-cidr", default="10.244.0.0/16", help="the addresses of all pods")
    add = parser.add_argument
    add("--cluster-signing-cert-file", type=Path, help="CA that signs certificates of the cluster's signers")
    add("--cluster-signing-key-file", type=Path, help="its key")
    add("--cluster-signing-duration", default="8760h0m0s", help="the longest life of what it signs")
    add(
        "--service-account-private-key-file", type=Path, help="key that signs the tokens that live in Secrets"
    )
    add(
        "--public-api-server",
        default="",
        help="URL of the API server as other machines reach it, published as cluster-info in kube-public",
    )
    return parser


def chosen_controllers(text: str) -> list[str]:
    """`*,-podgc` → all but podgc; `deployment,replicaset` → these two."""
    terms = [term.strip() for term in text.split(",") if term.strip()]
    left_out = {term[1:] for term in terms if term.startswith("-")}
    named = [term for term in terms if not term.startswith("-") and term != "*"]
    if "*" in terms:
        named = controller_names()
    return [name for name in named if name not in left_out]


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    only = chosen_controllers(options.controllers)
    if unknown := [name for name in only if name not in controller_names()]:
        parser.error(f"no such controllers: {', '.join(unknown)}")

    if bool(options.cluster_signing_cert_file) != bool(options.cluster_signing_key_file):
        parser.error("--cluster-signing-cert-file and --cluster-signing-key-file belong together")
    try:
        longest_s = parse_duration(options.cluster_signing_duration)
    except ValueError as error:
        parser.error(f"--cluster-signing-duration: {error}")
    signer = None
    if options.cluster_signing_cert_file:
        signer = FileSigner(options.cluster_signing_cert_file, options.cluster_signing_key_file, longest_s)

    def make(client: Client, clock: Clock, rng: random.Random, config: ClientConfig) -> ControllerManager:
        bundle = Path(options.root_ca_file).read_bytes() if options.root_ca_file else config.ca_data
        cidr = options.cluster_cidr if options.allocate_node_cidrs else ""
        return ControllerManager(
            client,
            clock,
            rng,
            ca_bundle=bundle.decode(),
            cluster_cidr=cidr,
            public_server=options.public_api_server,
            signer=signer,
            sign_claims=TokenKey(options.service_account_private_key_file)
            if options.service_account_private_key_file
            else None,
            only=only,
        )

    return run_process("kube-controller-manager", options, make)


if __name__ == "__main__":
    sys.exit(main())
