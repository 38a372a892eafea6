"""depthwise, compiled: right for any problem and picture, and inside its arrays.

Every array stands against memory that nobody may touch: a kernel that reads or writes one element
too far ends the test run. Outputs and workspaces hold NaN before.
"""

from __future__ import annotations

import ctypes
import mmap
from math import ceil, prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassconv.adversaries import ADVERSARIES
from glassconv.algorithms import named
from glassconv.codegen import jit, target
from glassconv.kernels import depthwise
from glassconv.kernels.depthwise import kind_of, module_of
from glassconv.kernels.depthwise_channels import Channels
from glassconv.kernels.depthwise_tile import LOOPED, UNROLLED, Steps
from glassconv.kernels.depthwise_windows import block_of, in_order, in_strips
from glassconv.kernels.fields import words
from glassconv.kernels.plan import as_plane
from glassconv.layout import NCHW, NHWC, Layout
from glassconv.operands import Operands, random_operands, to_numpy
from glassconv.problem import ConvProblem
from glassconv.report import Verification
from glassconv.shorthand import parse
from glassconv.verify import judge

HOST = target.host()
pytestmark = pytest.mark.skipif(HOST is None, reason="no kernel runs on this processor")
ENDS = ("front", "back")
LAYOUTS = pytest.mark.parametrize("layout", [NCHW, NHWC])
PLAIN = Channels(few=False, multiplied=False)
KINDS = [
    *((steps, channels) for steps in (*UNROLLED, LOOPED) for channels in (None, PLAIN)),
    (LOOPED, Channels(few=True, multiplied=False)),
    (LOOPED, Channels(few=False, multiplied=True)),
    (LOOPED, Channels(few=True, multiplied=True)),
]
NO_ACCESS = 0
PAGE = mmap.PAGESIZE


# -- arrays against a wall --------------------------------------------------------------------


def walled(elements: int, dtype: torch.dtype, end: str) -> Tensor:
    """Return an array of NaN with a page that cannot be touched at its front or its back."""
    if elements == 0:
        return torch.empty(0, dtype=dtype)
    size = elements * dtype.itemsize
    pages = ceil(size / PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (0, pages + 1):
        assert (
            ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + page * PAGE), PAGE, NO_ACCESS) == 0
        )
    offset = PAGE if end == "front" else (pages + 1) * PAGE - size
    array = torch.frombuffer(memory, dtype=dtype, count=elements, offset=offset)
    return array.fill_(torch.nan)


def laid(array: Tensor, strides: tuple[int, ...], end: str) -> Tensor:
    """Return the same numbers with these strides, against a wall."""
    extent = 1 + sum((n - 1) * step for n, step in zip(array.shape, strides, strict=True))
    storage = walled(extent if array.numel() else 0, array.dtype, end)
    return storage.as_strided(array.shape, strides).copy_(array)


def dense(shape: tuple[int, ...], layout: str, gap: int = 0) -> tuple[int, int, int, int]:
    """Return the strides of [batch, channel, row, column] in a layout, with gaps between."""
    _, channels, height, width = shape
    if layout == NCHW:
        row = width + gap
        plane = height * row + gap
        return channels * plane + gap, plane, row, 1
    column = channels + gap
    row = width * column + gap
    return height * row + gap, 1, row, column


def run(
    problem: ConvProblem,
    operands: Operands,
    layout: str,
    *,
    gap: int = 0,
    end: str = "back",
    threads: int = 2,
) -> Tensor:
    """Run the kernel on arrays against a wall."""
    assert HOST is not None
    assert depthwise.supports(problem, layout)
    flat = as_plane(problem)
    strides = dense(flat.input_shape, layout, gap)
    input = laid(operands.input.reshape(flat.input_shape), strides, end)
    return run_on(problem, Operands(input, operands.weight, operands.bias), layout, end, threads)


def run_on(
    problem: ConvProblem, operands: Operands, layout: str, end: str = "back", threads: int = 2
) -> Tensor:
    """Run the kernel on a picture that lies as it does, [batch, channel, row, column]."""
    assert HOST is not None
    batch, channel, row, column = operands.input.stride()
    lies = (batch, channel, row, 1) if layout == NCHW else (batch, 1, row, column)
    plan = depthwise.plan(problem, Layout(layout, lies), HOST)
    dtype = operands.input.dtype
    weight, bias = (
        laid(each.flatten(), (1,), end)
        for each in (operands.weight, plan.no_bias if operands.bias is None else operands.bias)
    )
    shape = plan.output_shape
    output = walled(prod(shape), dtype, end).as_strided(shape, dense(shape, layout))
    team = min(threads, plan.most_threads)
    workspace = walled(team * plan.workspace_bytes // dtype.itemsize, dtype, end)
    arrays = words(each.data_ptr() for each in (operands.input, weight, bias, output, workspace))
    plan.kernel.call(plan.sizes, arrays, plan.tasks, team)
    return output.reshape(problem.output_shape)


def held(problem: ConvProblem, operands: Operands, output: Tensor) -> Verification:
    """Hold an output to the definition, within the readable algorithm's bound."""
    bound = named("depthwise").error_bound(problem)
    return judge(problem, "depthwise", to_numpy(output), operands, bound)


# -- problems ---------------------------------------------------------------------------------


@st.composite
def problems(draw: st.DrawFn) -> ConvProblem:
    """Draw a depthwise problem: kernels that are unrolled and others, sizes that do not divide."""
    ndim = draw(st.sampled_from((1, 2, 2, 2)))

    def each(*values: int) -> tuple[int, ...]:
        return tuple(draw(st.sampled_from(values)) for _ in range(ndim))

    kernel = each(1, 2, 3, 3, 4, 5, 5, 7, 7, 9)
    dilation = each(1, 1, 1, 1, 2, 3)
    padding = tuple((draw(st.integers(0, 5)), draw(st.integers(0, 5))) for _ in range(ndim))
    least = [
        max(1, d * (k - 1) + 1 - sum(p)) for d, k, p in zip(dilation, kernel, padding, strict=True)
    ]
    channels = draw(st.sampled_from((1, 2, 3, 7, 8, 9, 15, 16, 17, 32, 33, 40)))
    return ConvProblem(
        batch=draw(st.integers(0, 2)),
        in_channels=channels,
        out_channels=channels * draw(st.sampled_from((1, 1, 1, 2, 3))),
        input_size=tuple(n + draw(st.sampled_from((0, 1, 2, 5, 9, 17, 30))) for n in least),
        kernel_size=kernel,
        stride=each(1, 1, 1, 2, 2, 3, 50, 2**31 - 1),
        padding=padding,
        dilation=dilation,
        groups=channels,
        bias=draw(st.booleans()),
        dtype=draw(st.sampled_from(("float32", "float64"))),
    )


@settings(max_examples=1000)
@given(
    problems(),
    st.sampled_from((NCHW, NHWC)),
    st.sampled_from((0, 0, 3)),
    st.sampled_from(ENDS),
    st.sampled_from(list(ADVERSARIES)),
    st.integers(0, 99),
)
def test_it_is_the_definition_within_its_bound(
    problem: ConvProblem, layout: str, gap: int, end: str, kind: str, seed: int
) -> None:
    operands = ADVERSARIES[kind].make(problem, seed)
    output = run(problem, operands, layout, gap=gap, end=end)
    found = held(problem, operands, output)
    assert found.verdict, found.verdict.reason


@LAYOUTS
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "problem",
    [
        "8x1x1 8@1x1 g8",
        "1x1x1 1@7x7 p3 g1",
        "9x2x3 9@9x9 p9 d2 g9",
        "0x8x9x9 8@3x3 p1 g8",
        "3x112x112 3@3x3 p1 g3",
        "40x57x200 40@3x3 s2 p0:1x1:0 g40",
        "17x20x90 34@5x5 s1x2 p2 g17",
        "16x60x60 16@7x7 p3 g16",
        "5x40x40 5@3x3 d7 p7 g5",
        "24x5000 24@9 p4 g24",
        "24x5000 24@5 s2 p2 g24 float64",
        "8x30x30 24@5x5 p2 g8",
        "3x30x30 3@7x7 s2 p3 g3",
        "64x70x75 64@7x7 p3 g64",
    ],
)
def test_planes_of_one_block_and_of_many(problem: str, layout: str, end: str) -> None:
    parsed = parse(problem)
    operands = random_operands(parsed)
    found = held(parsed, operands, run(parsed, operands, layout, end=end))
    assert found.verdict, found.verdict.reason


@LAYOUTS
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_a_picture_may_be_one_row_shown_many_times(layout: str, axes: tuple[int, ...]) -> None:
    problem = parse("2x12x9x11 12@3x3 p1 g12")
    operands = random_operands(problem)
    axes = axes if layout == NCHW else tuple(axis for axis in axes if axis != 1)
    kept = [slice(0, 1) if axis in axes else slice(None) for axis in range(4)]
    part = operands.input[tuple(kept)]
    shown = laid(part, dense(tuple(part.shape), layout), "back").expand(problem.input_shape)
    given = Operands(shown, operands.weight, operands.bias)
    assert held(problem, given, run_on(problem, given, layout)).verdict


@LAYOUTS
@pytest.mark.parametrize("problem", ["64x30x30 64@3x3 p1 g64", "40x9x50 40@5x5 s2 p2 g40"])
def test_the_same_bits_for_any_number_of_threads(problem: str, layout: str) -> None:
    parsed = parse(problem)
    operands = random_operands(parsed)
    first, *others = (run(parsed, operands, layout, threads=threads) for threads in (1, 2, 4))
    for other in others:
        assert torch.equal(first, other)


@LAYOUTS
def test_a_weight_that_changed_is_read_again(layout: str) -> None:
    assert HOST is not None
    problem = parse("16x9x9 16@3x3 p1 g16")
    operands = random_operands(problem)
    plan = depthwise.plan(problem, Layout(layout, dense(problem.input_shape, layout)), HOST)
    kind = torch.contiguous_format if layout == NCHW else torch.channels_last
    picture = operands.input.contiguous(memory_format=kind)
    for _ in range(3):
        output = plan(picture, operands.weight, operands.bias)
        assert held(problem, operands, output).verdict
        operands.weight.numpy()[3] *= 2


# -- what it is made of -----------------------------------------------------------------------


def test_it_refuses_with_a_reason() -> None:
    reasons = {
        "4x9x9 4@3x3 g2": "one input channel per group, got 2",
        "4x9x9x9 4@3x3x3 g4": "one or two spatial axes, this has 3",
        "4x9x9 4@3x3 g4 bfloat16": "float32 or float64, not bfloat16",
    }
    for problem, reason in reasons.items():
        verdict = depthwise.supports(parse(problem), NCHW)
        assert not verdict
        assert reason in verdict.reason


@pytest.mark.parametrize("processor", ["avx2", "avx512", "neon"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("steps", "channels"), KINDS, ids=str)
def test_no_register_spills(
    steps: Steps, channels: Channels | None, dtype: str, processor: str
) -> None:
    module = module_of(dtype, steps, channels, target.named(processor))
    assert jit.spills(jit.assembly(module.text, module.target)) == 0


def test_a_kernel_is_compiled_for_taps_and_stride_and_not_for_sizes() -> None:
    avx2 = target.named("avx2")
    small, large = parse("8x9x9 8@3x3 g8"), parse("32x112x90 32@3x5 s1x3 p1 d1x4 g32")
    rows, pixels = Layout(NCHW, (9, 9, 9, 1)), Layout(NHWC, (9, 1, 9, 9))
    assert kind_of(small, rows, avx2) == kind_of(large, rows, avx2) == (Steps(3, 1), None)
    assert kind_of(small, pixels, avx2) == (Steps(3, 1), PLAIN)
    assert kind_of(large, pixels, avx2) == (LOOPED, PLAIN)


@given(problems())
def test_a_window_is_not_much_longer_than_all_its_taps(problem: ConvProblem) -> None:
    for axis in problem.axes:
        lanes, taps = 8, axis.kernel_size
        for outputs in {1, axis.output_size}:
            assert in_order(axis, outputs).length <= outputs * taps
            vectors = ceil(max(outputs, lanes) / lanes)
            assert in_strips(axis, outputs, lanes).length <= 2 * vectors * lanes * taps


def test_a_block_fits_where_it_can() -> None:
    for problem in ("1x1000x1000 1@3x3 p1", "1x1x99999 1@1x9", "1x9x9999 1@7x7 s2"):
        assert block_of(parse(problem), lanes=8, most=4096).positions <= 4096
