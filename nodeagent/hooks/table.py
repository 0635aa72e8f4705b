"""The kinds of volumes this node knows: an explicit list. A new kind is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from nodeagent.hooks.config_map import ConfigMapVolume
from nodeagent.hooks.downward_api import DownwardApiVolume
from nodeagent.hooks.empty_dir import EmptyDirVolume
from nodeagent.hooks.hook import VolumeHook
from nodeagent.hooks.host_path import HostPathVolume
from nodeagent.hooks.projected import ProjectedVolume
from nodeagent.hooks.secret import SecretVolume

VOLUME_HOOKS: tuple[VolumeHook, ...] = (
    EmptyDirVolume(),
    HostPathVolume(),
    ConfigMapVolume(),
    SecretVolume(),
    DownwardApiVolume(),
    ProjectedVolume(),
)
BY_SOURCE: Mapping[str, VolumeHook] = {hook.source: hook for hook in VOLUME_HOOKS}
BY_PLUGIN: Mapping[str, VolumeHook] = {hook.plugin: hook for hook in VOLUME_HOOKS}
