"""Networks of many families are optimized, and no less exact than PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from support.architectures import sources
from support.convolutions_in_plan import shares_of_bounds
from support.families import Ran, run

SLICE = {
    "timm:test_efficientnet": "whole",
    "timm:test_convnext": "whole",
    "timm:test_nfnet": "whole",
    "timm:test_byobnet": "whole",
    "timm:fasternet_t0": "whole",
    "timm:test_vit": "partly",
    "torchvision:shufflenet_v2_x0_5": "whole",
    "torchvision:mnasnet0_5": "whole",
}
FACTOR = 2  # times PyTorch's error


def check(ran: Ran) -> None:
    if ran.error is not None and ran.pytorch_error is not None:
        assert ran.error <= FACTOR * max(ran.pytorch_error, torch.finfo(torch.float32).eps)
    assert ran.share is None or ran.share <= 1


@pytest.mark.parametrize("source", SLICE)
def test_a_slice_of_the_families(source: str) -> None:
    ran = run(source)
    assert ran.how == SLICE[source]
    assert ran.error is not None
    check(ran)


def test_a_convolution_whose_padding_differs_on_two_sides_is_within_its_bound() -> None:
    model = nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(3, 8, 3, padding=1)).eval()
    ((name, share),) = shares_of_bounds(model, torch.rand(1, 3, 9, 9))
    assert name == "1"
    assert 0 < share <= 1


@pytest.mark.slow
@pytest.mark.parametrize("source", sources())
def test_every_family(source: str) -> None:
    check(run(source))
