"""Vectors of the operations' kernels stay in registers, for every processor.

Kernels of eˣ have more constants than AVX2 has registers, and load them again.
"""

from __future__ import annotations

import pytest
import torch

from glassconv.codegen.jit import assembly, spills
from glassconv.codegen.target import TARGETS, Target
from glassconv.operations import copy, elementwise, layer_norm, mean, pooling, upsample
from glassconv.operations.elementwise import Array, Unary
from glassconv.operations.pooling import Kind, Pooling
from glassconv.operations.step import Step
from glassconv.operations.strided import Strided
from glassconv.operations.upsample import Bilinear

X = Array("input")


def steps(target: Target, dtype: torch.dtype) -> dict[str, Step]:
    """Return a step of each operation, in each layout for which its code differs."""
    made: dict[str, Step] = {}
    channels = Strided.of(torch.empty(1, 32, dtype=dtype))
    images = {
        name: [
            Strided.of(torch.empty(1, 32, size, size, dtype=dtype).contiguous(memory_format=format))
            for size in (20, 10)
        ]
        for name, format in (("nchw", torch.contiguous_format), ("nhwc", torch.channels_last))
    }
    kinds: tuple[Kind, ...] = ("max", "average")
    for layout, (large, small) in images.items():
        for kind in kinds:
            how = Pooling(kind, (2, 2), (2, 2), (0, 0), (1, 1))
            made[f"{kind} {layout}"] = pooling.step(how, large, small, target, 1)
        made[f"mean {layout}"] = mean.step(large, channels, target, 1)
    nchw, nhwc = images["nchw"][0], images["nhwc"][0]
    made["upsample"] = upsample.step(Bilinear(), images["nhwc"][1], nhwc, target, 1)
    made["relu"] = elementwise.step(Unary("relu", X), {"input": nchw}, nchw, target, 1)
    made["copy"] = copy.step(nchw, nhwc, target, 1)
    made["layer norm"] = layer_norm.step(nchw, nchw, 1e-6, target, 1)
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_no_vector_is_spilled(target: Target, dtype: torch.dtype) -> None:
    codes = {name: step.kernel.text for name, step in steps(target, dtype).items()}
    found = {name: spills(assembly(code, target)) for name, code in codes.items()}
    assert found == dict.fromkeys(codes, 0)
