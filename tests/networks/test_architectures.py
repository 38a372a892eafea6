"""Networks of many families are explained, and agree with PyTorch's counter and its allocator."""

from __future__ import annotations

import pytest

from support.architectures import Seen, see, sources

SLICE = (
    "timm:test_efficientnet", "timm:fasternet_t0", "timm:ghostnet_050", "timm:test_vit",
    "torchvision:shufflenet_v2_x0_5",
)  # fmt: skip
REASONS = (
    "Couldn't load custom C++ ops",  # torchvision's, which the package index builds for CUDA
    "missing 1 required positional argument",  # a network of two images
)


def check(source: str) -> Seen:
    seen = see(source)
    if seen.facts is None:
        assert any(reason in seen.reason for reason in REASONS)
    else:
        assert seen.facts.macs == seen.facts.counted_macs
    return seen


@pytest.mark.parametrize("source", SLICE)
def test_a_slice_of_the_families(source: str) -> None:
    seen = check(source)
    assert seen.facts is not None
    assert seen.facts.memory.activation_bytes == pytest.approx(seen.measured_bytes, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("source", sources())
def test_every_family(source: str) -> None:
    check(source)
