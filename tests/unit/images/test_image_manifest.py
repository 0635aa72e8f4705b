"""Manifests, indexes, configs: two spellings, one meaning; nothing an image says is taken for granted."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cri import ImageFailure
from runtime.images.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    choose,
    document_type,
    fits,
    parse_config,
    parse_index,
    parse_manifest,
)

D = "sha256:" + "ab" * 32
E = "sha256:" + "cd" * 32


def entry(os="linux", architecture="amd64", variant="", digest=D, media_type=OCI_MANIFEST):
    return Descriptor(media_type, digest, 1, Platform(os, architecture, variant))


def test_index_entry_for_the_platform_is_chosen():
    entries = [entry(architecture="s390x", digest=E), entry()]
    assert choose(entries, Platform("linux", "amd64")).digest == D


def test_newest_variant_that_still_runs_is_chosen():
    entries = [
        entry(architecture="arm", variant=v, digest=f"sha256:{i}" + "0" * 63)
        for i, v in enumerate(("v5", "v6", "v7", "v8"))
    ]
    assert choose(entries, Platform("linux", "arm", "v7")).digest.startswith("sha256:2")
    assert choose(entries[:2], Platform("linux", "arm", "v7")).digest.startswith("sha256:1")
    with pytest.raises(ImageFailure):
        choose(entries[2:], Platform("linux", "arm", "v6"))


def test_arm64_without_variant_is_v8():
    assert choose([entry(architecture="arm64", variant="v8")], Platform("linux", "arm64")).digest == D
    assert choose([entry(architecture="arm64")], Platform("linux", "arm64", "v8")).digest == D


def test_index_without_this_platform_names_what_it_has():
    with pytest.raises(
        ImageFailure, match=r"no match for platform linux/riscv64.*linux/amd64, windows/amd64"
    ):
        choose(
            [entry(), entry(os="windows"), entry(os="unknown", architecture="unknown")],
            Platform("linux", "riscv64"),
        )


def test_single_entry_without_platform_is_chosen():
    assert choose([Descriptor(OCI_MANIFEST, D, 1)], Platform()).digest == D


def test_chain_ids_follow_the_specification():
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [D, E]}}
    spec = parse_config(json.dumps(config).encode())
    assert spec.chain_ids == [D, "sha256:" + hashlib.sha256(f"{D} {E}".encode()).hexdigest()]


def test_config_gives_what_running_it_needs():
    raw = {
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "config": {
            "Entrypoint": ["/e"],
            "Cmd": None,
            "Env": ["A=1"],
            "WorkingDir": "/w",
            "User": "0:0",
            "StopSignal": "SIGQUIT",
            "Volumes": {"/b": {}, "/a": {}},
            "Labels": {"k": "v"},
        },
        "rootfs": {"type": "layers", "diff_ids": [D]},
    }
    spec = parse_config(json.dumps(raw).encode())
    assert spec.platform == Platform("linux", "arm64", "v8")
    config = spec.config
    assert (config.entrypoint, config.cmd, config.env) == (("/e",), (), ("A=1",))
    assert (config.working_dir, config.user, config.stop_signal) == ("/w", "0:0", "SIGQUIT")
    assert (config.volumes, config.labels) == (("/a", "/b"), {"k": "v"})


def test_image_for_another_platform_does_not_fit():
    assert not fits(Platform("linux", "s390x"), Platform("linux", "amd64"))
    assert fits(Platform("linux", ""), Platform("linux", "amd64"))


@pytest.mark.parametrize(
    ("document", "said", "found"),
    [
        ({"mediaType": OCI_INDEX, "manifests": []}, "", OCI_INDEX),
        ({"manifests": []}, DOCKER_LIST + "; charset=utf-8", DOCKER_LIST),
        ({"layers": [], "config": {}}, "", OCI_MANIFEST),
        ({"layers": [], "config": {}}, DOCKER_MANIFEST, DOCKER_MANIFEST),
    ],
)
def test_document_is_told_by_its_word_or_its_shape(document, said, found):
    assert document_type(json.dumps(document).encode(), said) == found


def test_schema_one_is_refused_by_name():
    with pytest.raises(ImageFailure, match="schema 1"):
        document_type(
            b'{"schemaVersion": 1, "fsLayers": []}', "application/vnd.docker.distribution.manifest.v1+json"
        )


@pytest.mark.parametrize(
    "layer",
    [
        {"mediaType": OCI_LAYER, "digest": "sha256:xyz", "size": 1},
        {"mediaType": OCI_LAYER, "digest": D, "size": -1},
        {"mediaType": OCI_LAYER, "digest": D, "size": True},
        {"mediaType": OCI_LAYER, "digest": "sha256:" + "../" * 21 + "a", "size": 1},
        {"mediaType": OCI_LAYER + "+gzip+encrypted", "digest": D, "size": 1},
        {"mediaType": "application/vnd.wasm.content.layer.v1+wasm", "digest": D, "size": 1},
        "text",
    ],
)
def test_malformed_layer_is_refused(layer):
    manifest = {"config": {"mediaType": "c", "digest": D, "size": 1}, "layers": [layer]}
    with pytest.raises(ImageFailure):
        parse_manifest(json.dumps(manifest).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "config",
                    "layers",
                    "manifests",
                    "digest",
                    "size",
                    "rootfs",
                    "diff_ids",
                    "Cmd",
                    "os",
                    "platform",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_parsed_or_refused_as_an_image_failure(document):
    data = json.dumps(document).encode()
    for parse in (parse_manifest, parse_index, parse_config, document_type):
        try:
            parse(data)
        except ImageFailure as failure:
            assert failure.reason == "ErrImagePull"
