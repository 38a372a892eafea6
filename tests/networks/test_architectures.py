"""Networks of many families are explained, and agree with PyTorch's counter and its allocator."""

from __future__ import annotations

import pytest

from support.architectures import see, sources

SLICE = (
    "timm:test_efficientnet", "timm:fasternet_t0", "timm:ghostnet_050", "timm:test_vit",
    "torchvision:shufflenet_v2_x0_5",
)  # fmt: skip
MISSING = "Couldn't load custom C++ ops"  # torchvision's, which the package index builds for CUDA


def check(source: str) -> None:
    seen = see(source)
    if seen.facts is None:
        assert MISSING in seen.reason
        return
    assert seen.facts.macs == seen.facts.counted_macs
    assert seen.facts.memory.activation_bytes == pytest.approx(seen.measured_bytes, rel=0.25)


@pytest.mark.parametrize("source", SLICE)
def test_a_slice_of_the_families(source: str) -> None:
    check(source)


@pytest.mark.slow
@pytest.mark.parametrize("source", sources())
def test_every_family(source: str) -> None:
    check(source)
