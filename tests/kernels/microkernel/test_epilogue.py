"""Activations and residuals: what kernels finish is what PyTorch does afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import erfc, sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

import glassconv
from glassconv import choose
from glassconv.algorithms import named
from glassconv.codegen.ir import Code, Pointer, Value
from glassconv.codegen.jit import assembly
from glassconv.codegen.target import named as target_named
from glassconv.errors import DtypeError, ShapeError, UnknownNameError
from glassconv.kernels import KERNELS, Kernel
from glassconv.kernels.microkernel import activations, epilogue
from glassconv.problem import ConvProblem
from glassconv.problem.activations import ACTIVATIONS, Epilogue
from glassconv.problem.dtypes import FORMATS
from glassconv.problem.memory_layout import Layout, layout_of
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.reports.array import Array
from glassconv.verification.definition import allowed_error, definition
from support.compile_function import run, write
from support.guard_pages import SIDES, call_guarded
from support.memory_layouts import LAYOUTS

# An activation's Lipschitz constant: how much it magnifies an error of its argument, at most.
STEEPEST = {
    None: 1.0,
    "relu": 1.0,
    "relu6": 1.0,
    "hardswish": 1.5,
    "sigmoid": 0.25,
    "silu": 1.1,
    "gelu": 1.13,
}
EPILOGUES = [Epilogue(name, residual) for name in STEEPEST for residual in (False, True)][1:]
PROBLEMS = [
    parse(text)
    for text in (
        "2x5x19x33 7@3x3 p1",
        "3x9x21x37 6@3x3 s2 p1 nobias",
        "2x18x10x21 36@3x3 p1 g18",
        "33x9x12 33@5x5 p2 g33",
        "70x7x7 13@3x3 p1 float64",
        "2x130x1x1 37@1x1",
        "4x33x34 2@1x1 float64",
        "6x9x20 99@3x3 p1 g3",
        "8x100 12@9 p4",
    )
]
CASE = pytest.mark.parametrize("how", EPILOGUES, ids=str)
# Compiled into each kernel: without an activation, with the shortest and with the longest.
IN_EVERY_KERNEL = [Epilogue(None, residual=True), Epilogue("relu"), Epilogue("gelu", residual=True)]
# The others are for one kernel that applies them in registers and one that does not: on a depthwise
# problem, and on a dense one, which is in float64 where there is a residual.
OTHERS = [how for how in EPILOGUES if how not in IN_EVERY_KERNEL]
IN_KERNELS = [
    pytest.param(kernel, how, PROBLEMS, id=f"{name}-{how}")
    for name, kernel in KERNELS.items()
    for how in IN_EVERY_KERNEL
] + [
    pytest.param(KERNELS[name], how, [PROBLEMS[number]], id=f"{name}-{how}")
    for how in OTHERS
    for name, number in (("depthwise", 3), ("implicit_gemm", 4 if how.residual else 0))
]
# Roundings after the sum: of s + r, magnified up to 1.5 times; then of the activation. SiLU has an
# exponential within 2 ulps, that is 4·u, a sum and a quotient: 7.5·u to first order, 8·u with the
# products of roundings. GELU has 2·u of Φ's truncation and 4·u of its rounding, and a product.
ROUNDINGS = 8


def layouts(problem: ConvProblem, operands: Operands) -> Iterator[tuple[Operands, Layout]]:
    """Yield operands whose picture lies in each way that a kernel can be for."""
    for name in ("contiguous", "channels last"):
        input = LAYOUTS[name](operands.input)
        lies = layout_of(input)
        if lies is not None:
            yield Operands(input, operands.weight, operands.bias), lies


def at_zero(activation: str | None) -> float:
    return 0.0 if activation is None else float(ACTIVATIONS[activation](torch.zeros(1)))


def finished_bound(
    problem: ConvProblem, how: Epilogue, of_sums: Array, sums: Array, residual: Array
) -> Array:
    """Return the bound of activation(sum + residual), from that of the sums.

    |f̂(ŝ + r) − f(s + r)| ≤ L·|ŝ − s| + ROUNDINGS·u·(|f(0)| + |ŝ| + |r|), for |f(t)| ≤ |f(0)| + |t|.
    """
    sizes = at_zero(how.activation) + np.abs(sums) + of_sums + np.abs(residual)
    return STEEPEST[how.activation] * of_sums + ROUNDINGS * problem.format.unit_roundoff * sizes


def check_within_the_bound(
    output: Tensor,
    algorithm: str,
    problem: ConvProblem,
    operands: Operands,
    how: Epilogue,
    residual: Tensor | None = None,
) -> None:
    """Check an output of the public functions against the definition in float64."""
    truth = definition(problem, operands)
    bound = named(algorithm).error_bound(problem)
    of_sums = allowed_error(problem, bound, operands, truth.magnitude)
    exact = how.applied(
        torch.from_numpy(truth.output), None if residual is None else residual.double()
    ).numpy()
    beside = np.zeros(()) if residual is None else residual.double().numpy()
    allowed = finished_bound(problem, how, of_sums, truth.output, beside)
    assert np.isfinite(allowed).all()
    assert (np.abs(to_numpy(output).astype(np.float64) - exact) <= allowed).all()


@pytest.mark.parametrize(("kernel", "how", "problems"), IN_KERNELS)
def test_kernels_finish_within_the_bound(
    kernel: Kernel, how: Epilogue, problems: list[ConvProblem]
) -> None:
    """Compare with the definition in float64, the residual added and the activation applied."""
    tried = 0
    for problem in problems:
        operands = random_operands(problem)
        residual = torch.randn(problem.output_shape, dtype=operands.input.dtype)
        given = residual if how.residual else None
        truth = definition(problem, operands)
        wanted = how.applied(
            torch.from_numpy(truth.output), None if given is None else given.double()
        ).numpy()
        for lying, lies in layouts(problem, operands):
            if not kernel.supports(problem, lies.name):
                continue
            bound = named(kernel.name).error_bound(problem)
            of_sums = allowed_error(problem, bound, operands, truth.magnitude)
            allowed = finished_bound(problem, how, of_sums, truth.output, residual.numpy())
            plan = kernel.plan(problem, lies, how)
            for side in SIDES:
                output = to_numpy(call_guarded(plan, lying, side, residual=given))
                assert (np.abs(output - wanted) <= allowed).all(), f"{problem}, {lies.name}, {side}"
            tried += 1
    assert tried


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exp_is_rounded_like_the_best(dtype: str) -> None:
    number = np.float32 if dtype == "float32" else np.float64
    most = 88.0 if dtype == "float32" else 709.0
    x = np.concatenate([np.linspace(-most, most, 4000), np.linspace(-1, 1, 96)]).astype(number)
    made = np.empty_like(x)

    def body(code: Code, source: Pointer, target: Pointer, count: Value) -> None:
        with code.loop(0, count, code.lanes) as e:
            target[e] = activations.exp(code, source.vector(e))

    run(body, x, made, x.size, dtype=dtype)
    exact = np.exp(x.astype(np.longdouble))
    ulps = np.abs(made - exact) / (exact * np.finfo(number).eps)
    assert ulps.max() < 2.0
    special = np.array([np.nan, np.inf, -np.inf, 2 * most, -2 * most, 0.0, -0.0, 1.0] * 2, number)
    made = np.empty_like(special)
    run(body, special, made, special.size, dtype=dtype)
    assert np.isnan(made[0])
    assert list(made[1:7]) == [np.inf, 0, np.inf, 0, 1, 1]


def test_each_activation_has_its_code() -> None:
    assert set(activations.ACTIVATIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_special_numbers_come_out_as_pytorchs(name: str) -> None:
    x = torch.tensor([torch.nan, torch.inf, 0.0, -0.0, -3.0, 3.0, 6.0, 7.0, -1e30, 1e30] * 8)

    def body(code: Code, source: Pointer, target: Pointer, count: Value) -> None:
        with code.loop(0, count, code.lanes) as e:
            target[e] = activations.ACTIVATIONS[name](code, source.vector(e))

    made = torch.empty_like(x)
    run(body, x, made, x.numel())
    exact = ACTIVATIONS[name](x.double())
    finite = exact.isfinite()
    assert torch.equal(made[~finite].double().nan_to_num(), exact[~finite].nan_to_num())
    sizes = at_zero(name) + x[finite].double().abs()
    allowed = ROUNDINGS * FORMATS["float32"].unit_roundoff * sizes
    assert ((made[finite].double() - exact[finite]).abs() <= allowed).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu_is_exact_to_a_few_roundings(dtype: str) -> None:
    """Judge Φ by the larger of erfc's two halves, which cancels nowhere."""
    number = np.float32 if dtype == "float32" else np.float64
    x: Array = np.concatenate([np.linspace(-12, 12, 1600), np.linspace(-1e-3, 1e-3, 160)])
    x = x.astype(number)
    made = np.empty_like(x)

    def body(code: Code, source: Pointer, target: Pointer, count: Value) -> None:
        with code.loop(0, count, code.lanes) as e:
            target[e] = activations.ACTIVATIONS["gelu"](code, source.vector(e))

    run(body, x, made, x.size, dtype=dtype)
    exact = np.array([float(t) * erfc(-float(t) / sqrt(2)) / 2 for t in x])
    # Python's erfc adds its own 2 roundings in float64.
    roundings = ROUNDINGS if dtype == "float32" else ROUNDINGS + 2
    allowed = roundings * FORMATS[dtype].unit_roundoff * np.abs(x.astype(np.float64))
    assert (np.abs(made.astype(np.float64) - exact) <= allowed).all()
    assert not made[np.less(x, -9)].any()
    assert np.array_equal(made[np.greater(x, 9)], x[np.greater(x, 9)])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_only_the_last_vector_is_stored_under_a_mask(name: str) -> None:
    def body(code: Code, sums: Pointer, length: Value) -> None:
        apply = epilogue.emit_epilogue(code.module, Epilogue(name))
        assert apply is not None
        apply.call(sums=sums, runs=1, stride=0, length=length, residual_offset=0)

    target = target_named("avx2")
    code = assembly(write(body, 1, 1, target=target).text, target)
    assert len(re.findall(r"vmaskmovps\t%ymm\d+, %ymm\d+, .*\(", code)) == 1


# -- the public functions -------------------------------------------------------------------


@CASE
@pytest.mark.parametrize("algorithm", ["auto", "aten", "im2col", "implicit_gemm", "winograd2"])
def test_conv2d_ends_with_it(algorithm: str, how: Epilogue) -> None:
    problem = parse("2x5x17x19 6@3x3 p1")
    x, w, b = torch.randn(2, 5, 17, 19), torch.randn(6, 5, 3, 3), torch.randn(6)
    residual = torch.randn(problem.output_shape) if how.residual else None
    ran = choose(problem, algorithm, "default").algorithm
    for layout in (torch.contiguous_format, torch.channels_last):
        laid = None if residual is None else residual.to(memory_format=layout)
        made = glassconv.conv2d(
            x, w, b, padding=1, algorithm=algorithm, activation=how.activation, residual=laid
        )
        check_within_the_bound(made, ran, problem, Operands(x, w, b), how, residual)


def test_one_picture_a_sequence_a_volume_and_numpy() -> None:
    x, w = torch.randn(3, 9, 9), torch.randn(4, 3, 3, 3)
    problem, residual = parse("3x9x9 4@3x3 nobias"), torch.randn(4, 7, 7)
    made = glassconv.conv2d(x, w, activation="relu", residual=residual)
    check_within_the_bound(
        made[None],
        choose(problem).algorithm,
        problem,
        Operands(x[None], w, None),
        Epilogue("relu", residual=True),
        residual[None],
    )
    array = glassconv.conv2d(x.numpy(), w.numpy(), activation="relu", residual=residual.numpy())
    assert isinstance(array, np.ndarray)
    assert torch.equal(torch.from_numpy(array), made)

    x, w = torch.randn(2, 3, 90), torch.randn(4, 3, 5)
    problem, ones = parse("2x3x90 4@5 nobias"), torch.ones(2, 4, 86)
    made = glassconv.conv1d(x, w, activation="silu", residual=ones)
    how = Epilogue("silu", residual=True)
    check_within_the_bound(
        made, choose(problem).algorithm, problem, Operands(x, w, None), how, ones
    )

    x, w = torch.randn(1, 2, 4, 5, 6), torch.randn(3, 2, 2, 2, 2)
    made = glassconv.conv3d(x, w, activation="relu6")
    problem = parse("1x2x4x5x6 3@2x2x2 nobias")
    check_within_the_bound(
        made, choose(problem).algorithm, problem, Operands(x, w, None), Epilogue("relu6")
    )


def test_it_can_be_differentiated() -> None:
    def silu(x: Tensor, w: Tensor, r: Tensor) -> Tensor:
        return glassconv.conv2d(x, w, padding=1, activation="silu", residual=r)

    shapes = (1, 2, 4, 4), (3, 2, 3, 3), (1, 3, 4, 4)
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(silu, given)
    x, w, r = given
    assert glassconv.conv2d(x.detach(), w.detach(), padding=1, residual=r).requires_grad


def test_refusals_repeat_the_request() -> None:
    x, w = torch.ones(1, 1, 5, 5), torch.ones(1, 1, 3, 3)
    with pytest.raises(UnknownNameError, match=r"activation 'rellu' \(did you mean 'relu'\?\)"):
        glassconv.conv2d(x, w, activation="rellu")
    with pytest.raises(ShapeError, match=r"output's shape, \[1, 1, 3, 3\], not \[1, 1, 5, 5\]"):
        glassconv.conv2d(x, w, residual=x)
    with pytest.raises(ShapeError, match=r"output's shape, \[1, 3, 3\], not \[1, 1, 3, 3\]"):
        glassconv.conv2d(x[0], w, residual=torch.ones(1, 1, 3, 3))
    with pytest.raises(DtypeError):
        glassconv.conv2d(x, w, residual=torch.ones(1, 1, 3, 3).double())
