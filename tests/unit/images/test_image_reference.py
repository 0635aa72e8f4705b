"""Image references: every spelling has one normal form, and what is wrong is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cri import ImageFailure
from runtime.images.reference import as_image_id, parse_reference

D = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox:latest"),
        ("team/app", "docker.io/team/app:latest"),
        ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("registry:5000/x:y", "registry:5000/x:y"),
        ("registry:5000", "docker.io/library/registry:5000"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("HOST/x", "HOST/x:latest"),
        (f"busybox@{D}", f"docker.io/library/busybox@{D}"),
        (f"busybox:1.36@{D}", f"docker.io/library/busybox@{D}"),
        ("a__b/c-d--e.f:A_.-", "docker.io/a__b/c-d--e.f:A_.-"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
    ],
)
def test_reference_has_its_normal_form(text, full):
    parsed = parse_reference(text)
    assert str(parsed) == full
    assert parse_reference(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("Busybox", "lower case"),
        ("busybox:", "not a tag"),
        ("busybox:-x", "not a tag"),
        ("busybox:" + "x" * 129, "not a tag"),
        ("busybox@sha256:123", "not a digest"),
        ("busybox@md5:" + "0" * 32, "not a digest"),
        (f"busybox@{D}@{D}", "not a digest"),
        ("a//b", "part of the name is empty"),
        ("/a", "empty"),
        ("a/", "empty"),
        ("a..b", "not a valid part"),
        ("-a", "not a valid part"),
        ("a b", "not a valid part"),
        ("../a", "not a registry's host"),
        ("exa_mple.com/a", "not a registry's host"),
        ("http://example.com/a", "not a registry's host"),
        ("ab" * 32, "an image id"),
        ("x/" + "a" * 250, "longer than 255"),
        ("a\n", "not a valid part"),
    ],
)
def test_malformed_reference_is_invalid_and_says_why(text, why):
    with pytest.raises(ImageFailure) as failure:
        parse_reference(text)
    assert failure.value.reason == "InvalidImageName"
    assert why in str(failure.value)


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_an_invalid_name(text):
    try:
        parsed = parse_reference(text)
    except ImageFailure as failure:
        assert failure.reason == "InvalidImageName"
    else:
        assert parse_reference(str(parsed)) == parsed
        assert ".." not in parsed.repository.split("/")


def test_image_ids_are_told_from_names():
    assert as_image_id(D) == D
    assert as_image_id("ab" * 32) == D
    assert as_image_id("busybox") is None
    assert as_image_id(f"busybox@{D}") is None
