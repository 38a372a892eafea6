"""How each function of ATen becomes kernels of a plan.

A rule takes the builder and an operation. It adds the steps, or returns why PyTorch computes the
operation. A function without a rule, and one that returns a view, is PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from glassconv.networks.convolutions import FORWARD, TRANSPOSED
from glassconv.networks.graph import Operation
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.rules import (
    attention,
    copies,
    elementwise,
    pooling,
    rows,
    sums,
    upsampling,
)

Rule = Callable[[Builder, Operation], str | None]

RESHAPES = (
    "reshape", "reshape_as", "flatten", "unflatten", "ravel", "view", "view_as", "_unsafe_view",
)  # fmt: skip

JOINING = ("cat", "concat", "concatenate")
POSITIONED = ("as_strided", "view_as_complex")  # they depend on where in memory an array begins
IMAGES = (
    "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d",
)  # fmt: skip
READING_GAPS = (*JOINING, *IMAGES, "elementwise")  # as fast as an array without gaps

RULES: Mapping[str, Rule] = {
    **dict.fromkeys((*FORWARD, *TRANSPOSED), sums.convolution),
    "linear": sums.linear,
    **dict.fromkeys(("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"), pooling.pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d"), pooling.adaptive_average),
    "mean": pooling.mean_of_positions,
    "elementwise": elementwise.expression,
    "layer_norm": rows.normalized,
    "softmax": rows.softmax_of_rows,
    "group_norm": rows.normalized_groups,
    **dict.fromkeys(JOINING, copies.joined),
    "stack": copies.stacked,
    "clone": copies.cloned,
    "roll": copies.rolled,
    **dict.fromkeys(("pad", "constant_pad_nd"), copies.padded),
    **dict.fromkeys(RESHAPES, copies.reshaped),
    "contiguous": copies.same,
    **dict.fromkeys(POSITIONED, copies.in_pytorchs_order),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), upsampling.nearest),
    "upsample_bilinear2d": upsampling.bilinear,
    "scaled_dot_product_attention": attention.attention,
}
