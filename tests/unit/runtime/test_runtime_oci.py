"""A spec composed from options: Kubernetes' rules for command, env, mounts, users, capabilities."""

from __future__ import annotations

import pytest

from runtime.cri import (
    ContainerConfig,
    Device,
    ImageConfig,
    LinuxResources,
    Mount,
    RuntimeFailure,
    SandboxConfig,
    SecurityContext,
)
from runtime.linux.capabilities import ALL, DEFAULT, mask_of, names_of, plan_capabilities
from runtime.oci import options
from runtime.oci.hidden_paths import MASKED_PATHS
from runtime.oci.options import ConfigError, parse_signal
from runtime.oci.spec import compose
from runtime.service.codec import decode, encode

IMAGE = ImageConfig(
    entrypoint=("/entry",), cmd=("a", "b"), env=("PATH=/opt", "X=1"), working_dir="/w", user="app:grp"
)


def config(**changes: object) -> ContainerConfig:
    return ContainerConfig(name="c", attempt=0, image="i", **changes)


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ((), (), ("/entry", "a", "b")),
        ((), ("z",), ("/entry", "z")),
        (("/mine",), (), ("/mine",)),
        (("/mine",), ("z",), ("/mine", "z")),
    ],
)
def test_command_and_args_override_the_image(
    command: tuple[str, ...], args: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    spec = compose(options.with_command(config(command=command, args=args), IMAGE))
    assert spec.process.args == expected
    assert spec.process.cwd == "/w"


def test_no_command_anywhere_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match="no command specified"):
        options.with_command(config(), ImageConfig())


def test_environment_of_the_pod_wins_over_the_image_and_defaults() -> None:
    spec = compose(options.with_environment(config(env=(("X", "2"), ("E", ""))), IMAGE, "host"))
    assert dict(spec.process.env) == {"PATH": "/opt", "HOSTNAME": "host", "X": "2", "E": ""}


def test_user_of_the_pod_wins_over_the_image() -> None:
    assert compose(options.with_user(SecurityContext(), IMAGE)).process.user.name == "app:grp"
    chosen = compose(options.with_user(SecurityContext(run_as_user=7), IMAGE)).process.user
    assert (chosen.uid, chosen.name) == (7, "")


def test_mounts_are_ordered_by_depth_and_replace_the_pods_own_files() -> None:
    asked = (Mount("/a/b/c", "/1"), Mount("/etc/hosts", "/2"), Mount("/a", "/3", readonly=True))
    spec = compose(options.with_mounts(config(mounts=asked), "/pod", host_ipc=False))
    targets = [mount.target for mount in spec.mounts]
    assert targets.index("/a") < targets.index("/a/b/c")
    assert targets.count("/etc/hosts") == 1
    sources = {mount.target: mount.source for mount in spec.mounts}
    assert sources["/etc/hosts"] == "/2"
    assert sources["/etc/resolv.conf"] == "/pod/resolv.conf"
    assert sources["/dev/shm"] == "/pod/shm"


def test_privileged_container_has_every_capability_and_no_masks() -> None:
    spec = compose(options.with_security(SecurityContext(privileged=True), ""))
    assert spec.process.capabilities == ALL
    assert not spec.masked and not spec.readonly and not spec.process.no_new_privs


def test_masked_paths_can_be_chosen() -> None:
    assert compose(options.with_security(SecurityContext(), "")).masked == MASKED_PATHS
    assert compose(options.with_security(SecurityContext(masked_paths=()), "")).masked == ()


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), (), set(DEFAULT)),
        (("SYS_TIME",), (), {*DEFAULT, "SYS_TIME"}),
        (("CAP_SYS_TIME",), ("ALL",), {"SYS_TIME"}),
        (("ALL",), ("SYS_ADMIN",), {n for n in names_of(ALL) if n != "SYS_ADMIN"}),
        ((), ("chown",), set(DEFAULT) - {"CHOWN"}),
    ],
)
def test_capabilities_are_added_then_dropped(
    add: tuple[str, ...], drop: tuple[str, ...], expected: set[str]
) -> None:
    assert set(names_of(plan_capabilities(add, drop))) == expected


def test_default_capabilities_are_the_known_mask() -> None:
    assert mask_of(DEFAULT) == 0xA80425FB


def test_unknown_names_are_config_errors() -> None:
    with pytest.raises(ConfigError, match="NOPE"):
        options.with_security(SecurityContext(add_capabilities=("NOPE",)), "")
    with pytest.raises(ConfigError, match="RLIMIT_NOPE"):
        options.with_limits(config(security=SecurityContext(rlimits={"RLIMIT_NOPE": (1, 1)})))
    with pytest.raises(ConfigError, match="SIGNOPE"):
        parse_signal("SIGNOPE")


@pytest.mark.parametrize(
    ("name", "number"), [("", 15), ("SIGINT", 2), ("quit", 3), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63)]
)
def test_stop_signals_are_read(name: str, number: int) -> None:
    assert parse_signal(name) == number


def test_configs_survive_the_record() -> None:
    container = config(
        command=("a",),
        env=(("K", "V"),),
        mounts=(Mount("/x", "/y", readonly=True),),
        devices=(Device("/dev/a", "/dev/b"),),
        labels={"l": "v"},
        resources=LinuxResources(memory_limit_bytes=5, unified={"memory.high": "3"}),
        security=SecurityContext(rlimits={"RLIMIT_CORE": (0, 1)}, run_as_user=0, masked_paths=()),
    )
    assert decode(ContainerConfig, encode(container)) == container
    sandbox = SandboxConfig(
        "n", "ns", "u", 1, "h", "/l", resources=LinuxResources(cpu_shares=3), sysctls={"a": "b"}
    )
    assert decode(SandboxConfig, encode(sandbox)) == sandbox
    assert decode(SandboxConfig, {**encode(sandbox), "from_the_future": 1}) == sandbox
