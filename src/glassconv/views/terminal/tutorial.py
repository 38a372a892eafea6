"""The tutorial in the terminal, a section for each of its steps."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glassconv.problem import ConvProblem
from glassconv.reports.trace import Trace
from glassconv.reports.worked_example import Tutorial, WorkedExample
from glassconv.views.notation import (
    added,
    number,
    output_size_formula,
    products,
    shape,
    size,
    small,
)
from glassconv.views.terminal.parts import mark, pairs, section


def tutorial(facts: Tutorial) -> Iterator[RenderableType]:
    """Yield the demo's seven sections."""
    yield from section(1, "The input", _input(facts))
    yield from section(2, "The output size", _output_size(facts.layer.problem))
    yield from section(3, "The layer: nn.Conv2d(3, 1, 5)", _weights(facts.layer))
    yield from section(4, "The same as unfold, matmul, view", _shapes(facts))
    yield from section(5, "Is it the same?", _agreement(facts))
    yield from section(6, "Four filters are one matrix product", _product(facts.four_filters))
    yield from section(7, "One output by hand", _by_hand(facts.worked))


def _input(facts: Tutorial) -> RenderableType:
    input = facts.layer.input
    height, width, channels = facts.picture.shape
    span = f"{number(float(input.min()))} to {number(float(input.max()))}"
    return Group(
        Text(facts.source),
        pairs(
            ("image", f"{height} × {width} × {channels}, integers 0 to 255"),
            ("input", f"{shape(input.shape)}, (pixel / 255 − 0.5) / 0.5: {span}"),
        ),
    )


def _output_size(problem: ConvProblem) -> RenderableType:
    formula = "floor((size + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1"
    rows = zip(("height", "width"), problem.axes, strict=True)
    return Group(
        Text(formula, "dim"), pairs(*((name, output_size_formula(axis)) for name, axis in rows))
    )


def _weights(layer: Trace) -> RenderableType:
    kernel = layer.weight[0, 0]
    lines = [" ".join(f"{weight:8.4f}" for weight in row).replace("-", "−") for row in kernel]
    bias = "" if layer.bias is None else f"; its bias is {number(float(layer.bias[0]))}"
    return Group(
        Text(f"w.shape = {shape(layer.weight.shape)}{bias}"),
        Text("the weights of the red channel:", "dim"),
        Text("\n".join(lines)),
    )


def _shapes(facts: Tutorial) -> RenderableType:
    layer = facts.layer
    return pairs(
        ("w.shape", f"{shape(layer.weight.shape)}  one filter"),
        (
            "inp_unf.shape",
            f"{shape(layer['columns'].shape)}  one column for each of the 784 windows",
        ),
        ("out_unf.shape", f"{shape(layer['product'].shape)}  weight row times columns, plus bias"),
        ("out.shape", f"{shape(layer.output.shape)}  a view of it"),
    )


def _agreement(facts: Tutorial) -> RenderableType:
    difference = facts.difference
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "compared", "max |difference|", "bound"):
        table.add_column(heading, justify="right" if "|" in heading else "left")
    table.add_row(
        mark(difference.verdict),
        f"{difference.first} with {difference.second}",
        small(difference.maximum),
        small(difference.bound),
    )
    for check in facts.checks:
        bound = small(check.worst.bound) if check.worst else ""
        table.add_row(
            mark(check.verdict),
            f"{check.candidate} with the definition in float64",
            small(check.max_error),
            bound,
        )
    formula = facts.checks[0].formula
    return Group(
        table,
        Text("In any order of summation, |error| ≤ n·u · (Σ|x||w| + |b|), with", "dim"),
        Text(f"{formula} = {small(facts.checks[0].bound_factor)}", "dim"),
    )


def _product(four: Trace) -> RenderableType:
    problem = four.problem
    m, n, k = problem.gemm.m, problem.gemm.n, problem.gemm.k
    copies = problem.copies()
    return pairs(
        ("product", f"({m} × {k}) · ({k} × {n})"),
        ("arithmetic", f"{problem.macs:,} MACs, that is {problem.flops:,} FLOPs"),
        ("", f"and {n * m:,} additions of the bias"),
        ("bytes", f"input {size(problem.input_bytes)}, weight {size(problem.weight_bytes)}, "
                  f"output {size(problem.output_bytes)}"),
        ("im2col matrix", f"{size(problem.im2col_bytes)}, {problem.expansion:.1f} × the input"),
        ("copies", f"of a corner pixel {copies[0, 0]}, of a middle one {copies.max()}, "
                   f"on average {copies.mean():.1f}"),
    )  # fmt: skip


def _by_hand(worked: WorkedExample) -> RenderableType:
    problem = worked.problem
    filter, row, column = worked.chosen
    lines = [
        f"input {shape(worked.input.shape)}, padding 1, {problem.out_channels} filters "
        f"{shape(worked.filter.shape)}, stride 2: output {shape(worked.output.shape)}",
        "",
    ]
    for channel, (window, kernel) in enumerate(zip(worked.window, worked.filter, strict=True)):
        lines.append(f"channel {channel}")
        written = [products(x, w) for x, w in zip(window, kernel, strict=True)]
        lines += [f"    {line} +" for line in written[:-1]]
        lines.append(f"    {written[-1]} = {number(worked.channel_sums[channel])}")
    terms = added([*worked.channel_sums, float(worked.bias[filter])])
    total = f"y[{filter}, {row}, {column}] = {terms} = {number(worked.value)}"
    return Group(
        Text("\n".join(lines)), Text(f"\n{total}", "bold"), Text("the last term is the bias", "dim")
    )
