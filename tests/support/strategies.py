"""Random convolutions: small, valid, and with every argument in play."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from glassconv.problem import ConvProblem
from glassconv.problem.axis import Axis
from glassconv.problem.dtypes import FORMATS

KINDS = ("any", "plain", "plain", "pointwise", "depthwise")  # each algorithm supports a fair share


@st.composite
def axes(draw: st.DrawFn, kind: str = "any") -> Axis:
    """Draw an axis whose kernel fits: strides that leave a rest, padding wider than the kernel."""
    least_kernel, largest_kernel = {"plain": (2, 4), "pointwise": (1, 1)}.get(kind, (1, 4))
    kernel_size = draw(st.integers(least_kernel, largest_kernel))
    dilation = 1 if kind == "plain" else draw(st.integers(1, 3))
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    least = max(1, dilation * (kernel_size - 1) + 1 - sum(padding))
    return Axis(
        input_size=draw(st.integers(least, least + 5)),
        kernel_size=kernel_size,
        stride=1 if kind == "plain" else draw(st.integers(1, 4)),
        padding=padding,
        dilation=dilation,
    )


@st.composite
def problems(
    draw: st.DrawFn,
    dtypes: Sequence[str] = tuple(FORMATS),
    ndims: Sequence[int] = (1, 2, 3),
) -> ConvProblem:
    """Draw a problem of one to three axes with groups, bias, and a batch that may be empty.

    At most 3 · 4³ products are summed, so that even bfloat16 promises something.
    """
    kind, ndim = draw(st.sampled_from(KINDS)), draw(st.sampled_from(ndims))
    spatial = draw(st.lists(axes(kind), min_size=ndim, max_size=ndim))
    groups = draw(st.integers(1, 3))
    return ConvProblem(
        batch=draw(st.integers(0, 3)),
        in_channels=groups * (1 if kind == "depthwise" else draw(st.integers(1, 3))),
        out_channels=groups * draw(st.integers(1, 3)),
        input_size=tuple(axis.input_size for axis in spatial),
        kernel_size=tuple(axis.kernel_size for axis in spatial),
        stride=tuple(axis.stride for axis in spatial),
        padding=tuple(axis.padding for axis in spatial),
        dilation=tuple(axis.dilation for axis in spatial),
        groups=groups,
        bias=draw(st.booleans()),
        dtype=draw(st.sampled_from(dtypes)),
    )
