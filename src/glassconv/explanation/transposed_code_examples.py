"""A transposed layer as Python, three ways: PyTorch's, matmul and fold, and zero insertion."""

from __future__ import annotations

from math import prod

from glassconv.explanation.code_examples import (
    call_text,
    dtype_argument,
    listed,
    once,
    with_shape,
)
from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.explanation import Snippet


def transposed_snippets(problem: TransposedProblem) -> tuple[Snippet, ...]:
    """Return the examples, each as it would be written for these very numbers.

    They run one after the other: the first makes the layer and `x`, `w`, `b`. `F.fold` has two
    spatial axes and pads evenly, so the second is there for such problems only.

    >>> from glassconv import parse_transposed
    >>> print(transposed_snippets(parse_transposed("8x4x4 3@2x2 s2"))[1].code)
    columns = w.flatten(1).T @ x.flatten(2)  # [1, 12, 16]
    y = F.fold(columns, (8, 8), 2, stride=2)  # [1, 3, 8, 8]
    y = y + b[:, None, None]
    """
    examples = [Snippet("layer", "PyTorch's layer", "\n".join(_layer(problem)))]
    if problem.ndim == 2 and problem.even_padding:
        examples.append(Snippet("fold", "matmul and F.fold", "\n".join(_fold(problem))))
    zeros = "\n".join(_zero_insertion(problem))
    examples.append(Snippet("zeros", "A convolution of the input with zeros inserted", zeros))
    return tuple(examples)


def _layer(problem: TransposedProblem) -> list[str]:
    lines = ["import torch", "import torch.nn.functional as F", "from torch import nn", ""]
    arguments = [f"{problem.in_channels}, {problem.out_channels}, {once(problem.kernel_size)}"]
    arguments += _steps(problem, ("stride", "padding", "output_padding", "dilation"))
    if problem.groups > 1:
        arguments.append(f"groups={problem.groups}")
    if not problem.bias:
        arguments.append("bias=False")
    arguments += dtype_argument(problem)
    lines.append(call_text(f"layer = nn.ConvTranspose{problem.ndim}d", arguments))
    lines.append(
        call_text("x = torch.randn", [listed(problem.input_shape), *dtype_argument(problem)])
    )
    lines.append(
        "w, b = layer.weight.detach(), layer.bias.detach()"
        if problem.bias
        else "w = layer.weight.detach()"
    )
    cut = "" if problem.even_padding else _cut(problem)
    return [*lines, with_shape(f"y = layer(x){cut}", problem.output_shape)]


def _fold(problem: TransposedProblem) -> list[str]:
    groups, batch, n = problem.groups, problem.batch, prod(problem.input_size)
    rows = prod(problem.weight_shape[1:])
    if groups == 1:
        product = "columns = w.flatten(1).T @ x.flatten(2)"
    else:
        channels = problem.in_channels // groups
        product = (
            f"columns = (w.view({groups}, {channels}, {rows}).mT"
            f" @ x.view({batch}, {groups}, {channels}, {n})).flatten(1, 2)"
        )
    arguments = [f"columns, ({listed(problem.output_size)}), {once(problem.kernel_size)}"]
    arguments += _steps(problem, ("stride", "padding", "dilation"))
    lines = [with_shape(product, (batch, groups * rows, n))]
    lines.append(with_shape(call_text("y = F.fold", arguments), problem.output_shape))
    return lines + (["y = y + b[:, None, None]"] if problem.bias else [])


def _zero_insertion(problem: TransposedProblem) -> list[str]:
    """Write the convolution that it equals; `F.pad` with a negative size cuts off."""
    convolution, groups = problem.convolution, problem.groups
    axes = "".join(f", ::{step}" for step in problem.stride)
    flipped = listed(tuple(range(2, 2 + problem.ndim)))
    arguments = [listed(convolution.input_shape), *dtype_argument(problem)]
    lines = [call_text("zeros = torch.zeros", arguments), f"zeros[:, :{axes}] = x"]
    filters = f"w.flip({flipped})"
    if groups == 1:
        lines.append(with_shape(f"filters = {filters}.transpose(0, 1)", convolution.weight_shape))
    else:
        channels = problem.in_channels // groups
        split = f"{filters}.unflatten(0, ({groups}, {channels}))"
        lines.append(
            with_shape(f"filters = {split}.transpose(1, 2).flatten(0, 1)", convolution.weight_shape)
        )
    sides = tuple(size for pair in reversed(problem.margins) for size in pair)
    lines.append(f"padded = F.pad(zeros, ({listed(sides)}))")
    options = ["padded, filters, b" if problem.bias else "padded, filters"]
    options += _steps(problem, ("dilation",))
    options += [f"groups={groups}"] if groups > 1 else []
    call = call_text(f"y = F.conv{problem.ndim}d", options)
    return [*lines, with_shape(call, problem.output_shape)]


def _steps(problem: TransposedProblem, names: tuple[str, ...]) -> list[str]:
    """Write the arguments that differ from PyTorch's defaults."""
    steps = {
        "stride": problem.stride,
        "padding": tuple(min(pair) for pair in problem.padding),
        "output_padding": problem.output_padding,
        "dilation": problem.dilation,
    }
    usual = {"stride": {1}, "padding": {0}, "output_padding": {0}, "dilation": {1}}
    return [f"{name}={once(steps[name])}" for name in names if set(steps[name]) != usual[name]]


def _cut(problem: TransposedProblem) -> str:
    """Write what uneven padding cuts off beside PyTorch's."""
    starts = [before - min(before, after) for before, after in problem.padding]
    ends = [start + size for start, size in zip(starts, problem.output_size, strict=True)]
    slices = "".join(f", {start}:{end}" for start, end in zip(starts, ends, strict=True))
    return f"[:, :{slices}]"
