"""A pair as one kernel: the bits of two kernels, the definition within its bound, closed pages."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassconv.codegen.analysis.assembly import spilling
from glassconv.codegen.jit import assembly
from glassconv.codegen.struct import words_of
from glassconv.codegen.target import Target, named
from glassconv.kernels import KERNELS
from glassconv.kernels.pointwise_depthwise.plan import plan, supports
from glassconv.problem import ConvProblem
from glassconv.problem.activations import ACTIVATIONS, Epilogue
from glassconv.problem.memory_layout import NHWC, contiguous
from glassconv.problem.shorthand import parse
from support.compile_function import this_machine
from support.guard_pages import SIDES, guarded

NAMES = (None, *ACTIVATIONS)
SMALL_L2 = 2**14  # bytes: a strip is many chunks
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


def pair_of(
    k: int,
    vectors: int,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    batch: int = 1,
    dtype: str = "float32",
) -> tuple[ConvProblem, ConvProblem]:
    """Return a 1 × 1 convolution to whole vectors of channels, and a depthwise one behind it."""
    channels, pad = vectors * this_machine().lanes(dtype), kernel // 2
    first = ConvProblem(
        batch, k, channels, size, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), dtype=dtype
    )
    second = ConvProblem(
        batch, channels, channels, size, (kernel, kernel), (stride, stride),
        ((pad, pad), (pad, pad)), (1, 1), groups=channels, dtype=dtype,
    )  # fmt: skip
    return first, second


def drawn(first: ConvProblem, second: ConvProblem, seed: int) -> tuple[Tensor, Weights]:
    chance = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=chance, dtype=getattr(torch, first.dtype))

    x = random(*first.input_shape).contiguous(memory_format=torch.channels_last)
    numbers = (
        random(*first.weight_shape),
        random(first.out_channels),
        random(*second.weight_shape),
        random(second.out_channels),
    )
    return x, numbers


def together(
    problems: tuple[ConvProblem, ConvProblem],
    target: Target,
    threads: int,
    epilogues: tuple[Epilogue, Epilogue],
    x: Tensor,
    numbers: Weights,
    side: str = "after",
) -> Tensor:
    """Return the output of one kernel: every buffer beside a guard page, and full of NaN before."""
    made = plan(*problems, target, threads, *epilogues)
    empty = torch.empty(problems[1].output_shape, dtype=x.dtype)
    empty = empty.contiguous(memory_format=torch.channels_last).fill_(torch.nan)
    output, space = guarded(empty, side), made.blocking.workspace_bytes * threads
    workspace = guarded(torch.full((space,), 0xFF, dtype=torch.uint8), side)
    weights = guarded(made.pack(*numbers), side)
    input = guarded(x, side)
    arrays = [input, weights, weights, output, workspace, output]
    addresses = words_of(*(each.data_ptr() for each in arrays))
    made.kernel.call(made.parameters, addresses, made.tasks, threads)
    return output


def apart(
    problems: tuple[ConvProblem, ConvProblem],
    epilogues: tuple[Epilogue, Epilogue],
    x: Tensor,
    numbers: Weights,
) -> Tensor:
    """Return the output of the two kernels."""
    kernels = (KERNELS["implicit_gemm"], KERNELS["depthwise"])
    parts = zip(kernels, problems, epilogues, (numbers[:2], numbers[2:]), strict=True)
    for kernel, problem, epilogue, operands in parts:
        x = kernel.plan(problem, contiguous(problem, NHWC), epilogue)(x, *operands)
    return x


@settings(max_examples=120)
@given(
    k=st.integers(1, 70),
    vectors=st.integers(1, 12),
    size=st.tuples(st.integers(1, 30), st.integers(14, 33)),
    kernel=st.sampled_from((3, 3, 5, 7)),
    stride=st.sampled_from((1, 2)),
    batch=st.integers(0, 2),
    dtype=st.sampled_from(("float32", "float32", "float64")),
    names=st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)),
    threads=st.integers(1, 3),
    is_small=st.booleans(),
    side=st.sampled_from(SIDES),
)
def test_it_has_the_bits_of_two_kernels(
    k: int,
    vectors: int,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    batch: int,
    dtype: str,
    names: tuple[str | None, str | None],
    threads: int,
    is_small: bool,
    side: str,
) -> None:
    problems = pair_of(k, vectors, size, kernel, stride, batch, dtype)
    target = this_machine(l2=SMALL_L2) if is_small else this_machine()
    if not supports(*problems, target):
        return
    epilogues = (Epilogue(names[0]), Epilogue(names[1]))
    x, numbers = drawn(*problems, seed=k + vectors)
    found = together(problems, target, threads, epilogues, x, numbers, side)
    assert torch.equal(found, apart(problems, epilogues, x, numbers))


@pytest.mark.parametrize("names", [(None, None), ("relu", None), ("relu6", "relu6")])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_it_is_the_definition_within_its_bound(
    kernel: int, stride: int, names: tuple[str | None, str | None]
) -> None:
    """Each sum of n products and a bias is within (n + 1)·u·Σ|terms|; these activations are exact.

    The second sum also multiplies the error of the first one.
    """
    problems = pair_of(19, 5, (23, 29), kernel, stride)
    epilogues = (Epilogue(names[0]), Epilogue(names[1]))
    x, numbers = drawn(*problems, seed=1)
    found = together(problems, this_machine(), 2, epilogues, x, numbers)
    w, b, t, d = (each.double() for each in numbers)
    rounding = torch.finfo(x.dtype).eps / 2
    options = {"stride": stride, "padding": kernel // 2, "groups": len(t)}
    between = epilogues[0].applied(F.conv2d(x.double(), w, b), None)
    output = epilogues[1].applied(F.conv2d(between, t, d, **options), None)
    error = (w.shape[1] + 1) * rounding * F.conv2d(x.double().abs(), w.abs(), b.abs())
    terms = F.conv2d(between.abs() + error, t.abs(), d.abs(), **options)
    bound = F.conv2d(error, t.abs(), None, **options) + (kernel**2 + 1) * rounding * terms
    assert ((found.double() - output).abs() <= bound).all()
    assert found.count_nonzero() > found.numel() / 4


def test_a_nan_stays_in_the_windows_that_hold_it() -> None:
    problems = pair_of(9, 3, (20, 20), 3, 1)
    x, numbers = drawn(*problems, seed=2)
    x[0, 4, 10, 17] = torch.nan
    found = together(problems, this_machine(), 2, (Epilogue("relu"), Epilogue()), x, numbers)
    assert found.isnan().all(1).sum() == found.isnan().any(1).sum() == 9
    assert found[0, :, 9:12, 16:19].isnan().all()


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("9x20x20 64@3x3 p1", "64x20x20 64@3x3 p1 g64", "1 × 1"),
        ("9x40x40 64@1x1 s2", "64x20x20 64@3x3 p1 g64", "1 × 1"),
        ("9x20x20 64@1x1", "64x22x22 64@3x3 p1 g64", "1 × 1"),
        ("64x20x20 64@1x1 g2", "64x20x20 64@3x3 p1 g64", "1 × 1"),
        ("500x20x20 64@1x1", "64x20x20 64@3x3 p1 g64", "at most 256 channels"),
        ("9x20x20 64@1x1", "64x20x20 64@3x3 p1", "a filter for each channel"),
        ("9x20x20 64@1x1", "64x20x20 128@3x3 p1 g64", "a filter for each channel"),
        ("9x20x20 65@1x1", "65x20x20 65@3x3 p1 g65", "whole vectors"),
        ("9x20x20 64@1x1", "64x20x20 64@3x3 p2 d2 g64", "without dilation"),
        ("9x20x20 64@1x1", "64x20x20 64@3x3 p2x1 d2x1 g64", "without dilation"),
        ("9x20x5 64@1x1", "64x20x5 64@3x3 p1 g64", "common depthwise kernel"),
        ("9x20 64@1", "64x20 64@3 p1 g64", "two spatial axes"),
        ("9x20x20 64@1x1 bfloat16", "64x20x20 64@3x3 p1 g64 bfloat16", "float32 or float64"),
    ],
)
def test_others_are_refused_with_the_reason(first: str, second: str, reason: str) -> None:
    verdict = supports(parse(first), parse(second), named("avx2"))
    assert not verdict
    assert reason in verdict.reason


@pytest.mark.parametrize("name", ["avx2", "avx512", "neon"])
def test_code_for_every_target_keeps_its_sums_in_registers(name: str) -> None:
    target = replace(named(name), name="elsewhere")
    for stride in (1, 2):
        problems = (parse("16x20x20 64@1x1"), parse(f"64x20x20 64@3x3 s{stride} p1 g64"))
        made = plan(*problems, target, 2, Epilogue("relu6"), Epilogue("relu6"))
        spills = spilling(assembly(made.kernel.text, target))
        spills.pop("task", None)  # LLVM loads four parameters as one vector there
        assert spills == {}
