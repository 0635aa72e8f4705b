"""Where a cluster keeps its things: every path of a data directory, named once.

DATA_DIR/
├── cluster.json        what the cluster is (config.py)
├── kubeconfig          the administrator's
├── pki/                keys and certificates (pki.py)
├── kubeconfigs/        one for each component
├── store/              the API server's database
├── etcd/               the cluster's own etcd, where it has one (store_etcd.py)
├── logs/               one file for each component; pods/ below it
├── images/             content and layers, shared by the nodes
├── nodes/NODE/         an agent's state, its spawner's, its pods' volumes
└── run/                lock, supervisor's state; worthless after a reboot
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

JOINED = "joined"  # below kctl's home: the nodes of other clusters that this machine is


def kctl_home() -> Path:
    """`$KCTL_HOME`, else `~/.kctl`."""
    return Path(os.environ.get("KCTL_HOME") or Path.home() / ".kctl")


@dataclass(frozen=True, slots=True)
class Layout:
    root: Path

    @property
    def config(self) -> Path:
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def state(self) -> Path:
        return self.run / "state.json"

    def node(self, name: str) -> Path:
        return self.root / "nodes" / name

    def component_kubeconfig(self, component: str) -> Path:
        return self.root / "kubeconfigs" / component

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"

    def make(self) -> None:
        """Creates the directories; idempotent. Keys and the store are the owner's alone."""
        for path in (self.root, self.logs, self.images, self.run, self.root / "kubeconfigs"):
            path.mkdir(parents=True, exist_ok=True)
        for path in (self.pki, self.store, self.root / "nodes"):
            path.mkdir(mode=0o700, exist_ok=True)


def layout_of(name: str, data_dir: Path | None = None) -> Layout:
    return Layout((data_dir or kctl_home() / name).absolute())
