"""Derive what can be said about a convolution from its shapes alone: nothing is executed.

Every fact comes from where the machinery takes it: sizes from the ConvProblem, costs and bounds
from the algorithms' own files, times from the model that `choose` ranks by.
"""

from __future__ import annotations

from math import isfinite, prod

from torch.utils.flop_counter import conv_backward_flop, conv_flop_count

from glassconv.algorithms import named
from glassconv.dispatch.devices import CPU
from glassconv.dispatch.select import (
    BYTES_PER_SECOND,
    FLOPS_PER_SECOND,
    SECONDS_PER_OPERATION,
    candidates,
    choose,
    predict,
)
from glassconv.errors import UnsupportedError
from glassconv.explanation.code_examples import snippets
from glassconv.explanation.transposed_code_examples import transposed_snippets
from glassconv.problem import ConvProblem, Gemm
from glassconv.problem.axis import Axis
from glassconv.problem.problem import Problem, equal_convolution
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.choice import Candidate
from glassconv.reports.error_bound import ErrorBound
from glassconv.reports.explanation import (
    AlgorithmFacts,
    ArithmeticFacts,
    AxisFacts,
    BoundFacts,
    CoreFacts,
    Explanation,
    MemoryFacts,
    ProductFacts,
    TorchCount,
)


def derive(problem: Problem, device: str = CPU) -> Explanation:
    """Return everything that can be said about a convolution without running it.

    device: PyTorch's name of where the arrays are.

    >>> from glassconv import parse
    >>> facts = derive(parse("3x32x32 4@5x5 s2"))
    >>> facts.product.gemm
    Gemm(groups=1, m=4, n=196, k=75)
    >>> [(axis.name, axis.leftover) for axis in facts.axes]
    [('height', 1), ('width', 1)]
    """
    try:
        chosen = choose(problem, device=device).algorithm
    except UnsupportedError:  # nothing fits in this machine's memory: explained all the same
        chosen = None
    transposed = problem if isinstance(problem, TransposedProblem) else None
    convolution = equal_convolution(problem)
    return Explanation(
        shorthand=str(problem),
        problem=convolution,
        transposed=transposed,
        axes=tuple(map(_axis, problem.axis_names, convolution.axes)),
        product=_transposed_product(transposed) if transposed else _product(convolution),
        arithmetic=_arithmetic(problem),
        memory=_memory(problem),
        core=CoreFacts(FLOPS_PER_SECOND, BYTES_PER_SECOND, SECONDS_PER_OPERATION),
        algorithms=tuple(_algorithm(candidate) for candidate in candidates(problem, device=device)),
        chosen=chosen,
        code=transposed_snippets(transposed) if transposed else snippets(convolution),
    )


def _axis(name: str, axis: Axis) -> AxisFacts:
    same = axis.dilation * (axis.kernel_size - 1)
    return AxisFacts(
        name=name,
        padded_size=axis.padded_size,
        extent=axis.extent,
        output_size=axis.output_size,
        same=(same // 2, same - same // 2),
        leftover=axis.leftover,
        leftover_input=min(axis.input_size, max(0, axis.leftover - axis.padding[1])),
        unread_input=axis.input_size - axis.positions_read,
    )


def _product(problem: ConvProblem) -> ProductFacts:
    gemm, bytes = problem.gemm, problem.format.bytes
    return ProductFacts(
        gemm=gemm,
        rows_shape=(gemm.m, gemm.k),
        columns_shape=(gemm.k, gemm.n),
        rows_bytes=gemm.m * gemm.k * bytes,
        columns_bytes=gemm.k * gemm.n * bytes,
        expansion=problem.expansion,
    )


def _arithmetic(problem: Problem) -> ArithmeticFacts:
    outputs = prod(problem.output_shape)
    tried = prod(axis.output_size * axis.kernel_size for axis in problem.axes)
    inside = prod(axis.taps_inside for axis in problem.axes)
    return ArithmeticFacts(
        outputs=outputs,
        products_per_output=problem.products_per_output,
        macs=problem.macs,
        flops=problem.flops,
        bias_additions=outputs if problem.bias else 0,
        padding_macs=problem.macs // tried * (tried - inside),
        padding_share=(tried - inside) / tried,
        input_gradient_flops=problem.flops,
        weight_gradient_flops=problem.flops,
        torch=_torch_count(problem),
    )


def _transposed_product(problem: TransposedProblem) -> ProductFacts:
    """Return the product Wᵀ · x, whose columns are then added where their taps point (col2im)."""
    gemm = Gemm(
        groups=problem.groups,
        m=prod(problem.weight_shape[1:]),
        n=problem.batch * prod(problem.input_size),
        k=problem.in_channels // problem.groups,
    )
    element, product_bytes = problem.format.bytes, gemm.m * gemm.n * problem.format.bytes
    return ProductFacts(
        gemm=gemm,
        rows_shape=(gemm.m, gemm.k),
        columns_shape=(gemm.k, gemm.n),
        rows_bytes=gemm.m * gemm.k * element,
        columns_bytes=gemm.k * gemm.n * element,
        expansion=gemm.groups * product_bytes / problem.output_bytes if problem.batch else 0.0,
    )


def _torch_count(problem: Problem) -> TorchCount:
    """Ask PyTorch's own formulas, which take shapes."""
    input, weight = list(problem.input_shape), list(problem.weight_shape)
    output, transposed = list(problem.output_shape), isinstance(problem, TransposedProblem)

    def backward(of_input: bool, of_weight: bool) -> int:
        count: int = conv_backward_flop(  # type: ignore[call-arg]  # out_val becomes out_shape
            output, input, weight, None, None, None, None,
            transposed=transposed, _output_padding=None, _groups=problem.groups,
            output_mask=[of_input, of_weight, False], out_val=[input, weight, None],
        )  # fmt: skip
        return count

    return TorchCount(
        forward=conv_flop_count(input, weight, output, transposed),
        input_gradient=backward(True, False),
        weight_gradient=backward(False, True),
    )


def _memory(problem: Problem) -> MemoryFacts:
    bias_bytes = problem.out_channels * problem.format.bytes if problem.bias else 0
    arrays = problem.input_bytes + problem.weight_bytes + bias_bytes + problem.output_bytes
    saved = problem.input_bytes + problem.weight_bytes
    return MemoryFacts(
        input_bytes=problem.input_bytes,
        weight_bytes=problem.weight_bytes,
        bias_bytes=bias_bytes,
        output_bytes=problem.output_bytes,
        forward_bytes=arrays,
        saved_bytes=saved,
        gradient_bytes=arrays,
        backward_bytes=saved + arrays,
        intensity=problem.arithmetic_intensity,
    )


def _algorithm(candidate: Candidate) -> AlgorithmFacts:
    return AlgorithmFacts(
        name=candidate.name,
        idea=named(candidate.name).idea,
        supported=candidate.supported,
        runs=candidate.verdict,
        cost=candidate.cost,
        bound=bound_facts(candidate.bound) if candidate.bound else None,
        prediction=predict(candidate.cost) if candidate.cost else None,
    )


def bound_facts(bound: ErrorBound) -> BoundFacts:
    """Return what an explanation says of a bound."""
    return BoundFacts(
        factor=bound.max_factor if isfinite(bound.max_factor) else None,
        formula=bound.formula,
        measure=bound.reference,
        growth=bound.rms_factor,
        window_factor=bound.window_factor if bound.local else None,
        local=bound.local and not bound.stray_non_finite,
    )
