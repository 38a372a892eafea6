"""An explanation of a transposed convolution in words, where it differs from a convolution's."""

from __future__ import annotations

from math import prod

from glassconv.problem.axis import Axis
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.explanation import Explanation
from glassconv.views.explanation_blocks import (
    Block,
    Note,
    Pairs,
    bias_text,
    by,
    equation,
    step_text,
    times,
    torch_count_text,
)
from glassconv.views.notation import shape, size


def output_size(facts: Explanation, problem: TransposedProblem) -> tuple[Block, ...]:
    """Return the output size of each axis, and the convolution that the problem equals."""
    sizes = [
        (names.name, _formula(axis, extra))
        for names, axis, extra in zip(facts.axes, problem.axes, problem.output_padding, strict=True)
    ]
    if set(problem.stride) == {1}:
        zeros = "no zeros are inserted at stride 1"
    else:
        zeros = f"stride − 1 zeros between neighbours make it {by(problem.zero_inserted_size)}"
    reach = by([axis.extent for axis in problem.axes])
    pairs = (
        ("reach", f"one input element contributes to {reach} outputs; those of the next element "
                  f"start {step_text(problem.stride)} later"),
        ("equals", f"the convolution {facts.problem} of the input with zeros inserted, by flipped "
                   "filters"),
        ("input", zeros),
    )  # fmt: skip
    note = "(size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1"
    return (Note(note), Pairs((*sizes, *pairs)))


def product(facts: Explanation, problem: TransposedProblem) -> tuple[Block, ...]:
    """Return the product Wᵀ · x and what fold does with its result."""
    gemm = facts.product.gemm
    per_group = "" if gemm.groups == 1 else f", for each of {gemm.groups} groups"
    groups = () if gemm.groups == 1 else (gemm.groups,)
    filters = " / ".join(map(str, (problem.out_channels, *groups)))
    channels = " / ".join(map(str, (problem.in_channels, *groups)))
    taps = f"{filters} · {times(problem.kernel_size)}"
    windows = times((problem.batch, *problem.input_size))
    result = (gemm.m, gemm.n)
    total_bytes = gemm.groups * prod(result) * problem.format.bytes
    return (
        Pairs(
            (
                ("product", f"({gemm.m:,} × {gemm.k:,}) · ({gemm.k:,} × {gemm.n:,})" + per_group),
                ("m = filters · taps", equation(taps, gemm.m)),
                ("n = input positions", equation(windows, gemm.n)),
                ("k = channels", equation(channels, gemm.k)),
                ("rows", f"{shape(facts.product.rows_shape)}: the weight of a group, transposed"),
                ("columns", f"{shape(facts.product.columns_shape)}: the input, reshaped"),
                ("result", f"{shape(result)}{per_group}, {size(total_bytes)} in total: a value "
                           "for each tap of each input element; fold adds those of one output, "
                           f"{facts.product.expansion:.3g} × the output"),
            )
        ),
    )  # fmt: skip


def arithmetic(facts: Explanation, problem: TransposedProblem) -> tuple[Block, ...]:
    """Return the counts: every input element is multiplied with every tap."""
    count = facts.arithmetic
    elements, taps = prod(problem.input_shape), prod(problem.weight_shape[1:])
    with_zeros = facts.problem.macs
    cut = (
        f"{count.padding_share:.1%} of the products belong to outputs that the padding cuts off, "
        "and are counted"
        if count.padding_share
        else "the padding cuts off no product"
    )
    return (
        Pairs(
            (
                ("outputs", equation(times(problem.output_shape), count.outputs)),
                ("taps", f"{equation(times(problem.weight_shape[1:]), taps)} per input element"),
                ("MACs", f"{elements:,} · {taps:,} = {count.macs:,}"),
                ("FLOPs", f"2 · {count.macs:,} = {count.flops:,}"),
                ("with zeros", f"{with_zeros:,} MACs as the convolution it equals, "
                               f"{with_zeros / max(count.macs, 1):.3g} × as many"),
                ("per output", f"at most {count.products_per_output:,} products that do not "
                               "involve an inserted zero"),
                ("bias", bias_text(facts)),
                ("padding", cut),
                ("backward", f"{count.input_gradient_flops:,} FLOPs each for the gradients of "
                             "input and weight"),
                ("PyTorch", torch_count_text(facts)),
            )
        ),
    )  # fmt: skip


def _formula(axis: Axis, output_padding: int) -> str:
    """Write the output-size formula with the numbers put in; `axis` leads from output to input.

    >>> _formula(Axis(16, 3, stride=2, padding=(1, 1)), 1)
    '(8 − 1)·2 − 2·1 + 1·(3 − 1) + 1 + 1 = 16'
    """
    before, after = axis.padding
    padding = f"2·{before}" if before == after else f"({before} + {after})"
    return (
        f"({axis.output_size} − 1)·{axis.stride} − {padding} + "
        f"{axis.dilation}·({axis.kernel_size} − 1) + {output_padding} + 1 = {axis.input_size}"
    )
