"""Which cluster of this machine a verb means, when its name is left out.

In order: the name or the data directory that was given; the cluster whose kubeconfig `$KUBECONFIG` is; the one called
`default`; the only one there is. Where several are left none is guessed: the error names them. Where there is none at
all `default` is meant, for images can be laid in before the first `kctl up`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kctl.flags import Options, UsageError

if TYPE_CHECKING:
    from standalone.layout import Layout

DEFAULT = "default"


def plan_name(asked: str, in_use: str, existing: Sequence[str]) -> str:
    """The cluster's name. `asked` and `in_use` (by `$KUBECONFIG`) may be empty; `existing` are those with a data
    directory in kctl's home, sorted. Raises UsageError when several could be meant."""
    if asked or in_use:
        return asked or in_use
    if DEFAULT in existing or not existing:
        return DEFAULT
    if len(existing) > 1:
        raise UsageError(f"which cluster? There are {', '.join(existing)}; name one")
    return existing[0]


def chosen(asked: str, options: Options) -> tuple[str, Layout]:
    """Its name and where it keeps its things. `options` has `data_dir`."""
    from standalone.layout import kctl_home, layout_of

    home = kctl_home().absolute()
    existing = sorted(path.parent.name for path in home.glob("*/cluster.json"))
    if options.data_dir:
        return asked or DEFAULT, layout_of(asked or DEFAULT, Path(options.data_dir))
    kubeconfig = Path(os.environ.get("KUBECONFIG") or home)
    in_use = kubeconfig.absolute().parent
    is_ours = in_use.parent == home and in_use.name in existing and kubeconfig.name == "kubeconfig"
    name = plan_name(asked, in_use.name if is_ours else "", existing)
    return name, layout_of(name)
