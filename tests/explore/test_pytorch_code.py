"""The code that the page copies runs as it is, and computes the numbers that the page draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from glassconv.explore.tensors import from_document
from support.browsers import in_node

CASES: list[dict[str, Any]] = [
    {"problem": "1x3x5x5 2@3x3 s2 p1 float64", "edits": "w,0,3,-1;x,0,2,1,5;b,0,2"},
    {"problem": "1x1x5x5 1@3x3 s2 p1 transposed o1", "edits": "w,0,2,0.1;x,0,4,4,-1e-7"},
    {"problem": "1x4x6x5 4@3x3 s1 p0:1x2 d2x1 g2 nobias", "edits": "w,3,17,1e20"},
    {"problem": "2x4x6x5 6@3x2 s2x1 p1:0x0:1 g2 transposed o1x0", "edits": "w,5,11,2"},
    {"problem": "1x1x8x8 1@4x4 s1 psame", "edits": "x,0,7,7,-0"},
    {"problem": "1x3x16x16 4@3x3 s1 p1", "kernel": "sobel-horizontal", "photograph": True},
    {"problem": "1x3x20x24 3@5x5 s1 p2 g3", "kernel": "laplacian", "photograph": True},
    {"problem": "1x1x12x12 1@3x3 s1 p1 float64", "kernel": "emboss", "photograph": True},
    {"problem": "1x4x7x7 6@3x3 s2 p1 g2 transposed o1", "kernel": "sobel-vertical"},
    {"problem": "1x16x9x9 8@3x3 s1 p1"},  # 1152 weights, 1296 pixels: in bytes
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # PyTorch's, of its own
def test_copied_code_computes_the_pages_outputs(tmp_path: Path) -> None:
    answers = in_node("pytorch_code.mjs", CASES, tmp_path)
    assert len(answers) == len(CASES)
    for case, answer in zip(CASES, answers, strict=True):
        _check(answer["code"], torch.from_numpy(from_document(answer["output"], "output").copy()))
        assert ("base64" in answer["code"]) == (answer["code"].count("numbers(") > 0), case


def test_few_numbers_are_written_as_people_write_them(tmp_path: Path) -> None:
    case = {"problem": "1x1x2x2 1@2x2 s1 p0", "kernel": "", "edits": "w,0,0,-1;w,0,1,0.1;b,0,2"}
    (answer,) = in_node("pytorch_code.mjs", [case], tmp_path)
    assert "conv.weight.copy_(torch.tensor([[[[-1., 0.1],\n" in answer["code"]
    assert "conv.bias.copy_(torch.tensor([2.]))" in answer["code"]


def _check(code: str, page: Tensor) -> None:
    """Compare with float64 arithmetic on the code's own numbers, and with what the code computes.

    The page sums n products in float64 and rounds the sum once to the layer's dtype.
    """
    names: dict[str, Any] = {}
    exec(code, names)
    conv, x, y = names["conv"], names["x"], names["y"].detach()
    assert y.dtype == x.dtype == page.dtype == conv.weight.dtype
    assert y.shape == page.shape
    call = code.rstrip().rpartition("\ny = ")[2]
    exact = _evaluated(call, conv, x, lambda array: array.double())
    size = _evaluated(call, conv, x, lambda array: array.double().abs())
    products = conv.weight[0].numel() * max(1, conv.weight.shape[0]) + 1
    float64, own = torch.finfo(torch.float64).eps, torch.finfo(page.dtype).eps
    assert torch.all((page.double() - exact).abs() <= products * float64 * size + own * exact.abs())
    assert torch.all((y.double() - exact).abs() <= products * own * size)


def _evaluated(call: str, conv: Any, x: Tensor, change: Any) -> Tensor:
    with torch.no_grad():
        of_float64 = type(conv)(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            stride=conv.stride,
            padding=conv.padding,
            dilation=conv.dilation,
            groups=conv.groups,
            bias=conv.bias is not None,
            dtype=torch.float64,
            **({"output_padding": conv.output_padding} if conv.transposed else {}),
        )
        of_float64.weight.copy_(change(conv.weight))
        if conv.bias is not None:
            of_float64.bias.copy_(change(conv.bias))
        result: Tensor = eval(call, {"conv": of_float64, "x": change(x), "nn": torch.nn})
        return result
