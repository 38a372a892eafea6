"""GridSample: PyTorch's grid_sample, whose modes have other names."""

from __future__ import annotations

import torch.nn.functional as F

from glassconv.networks.onnx.node import Call, Node, call

MODES = {
    "linear": "bilinear",
    "nearest": "nearest",
    "cubic": "bicubic",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
}


def grid_sample(node: Node) -> Call:
    """Return PyTorch's function."""
    options = {
        "mode": MODES[node.one_of("mode", "linear", tuple(MODES))],
        "padding_mode": node.one_of("padding_mode", "zeros", ("zeros", "border", "reflection")),
        "align_corners": node.get("align_corners", 0) == 1,
    }
    return call(F.grid_sample, *node.values, **options)


CONVERTERS = {"GridSample": grid_sample}
