"""The same layer as Python, four ways: PyTorch's, einsum, unfold and matmul, and plain loops.

They run one after the other: the first makes the layer and `x`, `w`, `b`; each makes its own `y`.
The letters are those of the definition,

    y[n, f, i, j] = b[f] + Σ_(c,u,v) w[f, c, u, v] · x[n, c, i·s + u·d − p, j·s + v·d − p]

with n an image of the batch, f a filter, c a channel, i, j an output and u, v a tap.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from glassconv.problem import ConvProblem
from glassconv.problem.problem import Problem
from glassconv.reports.explanation import Snippet

OUTPUTS = ("i", "j", "k")
TAPS = ("u", "v", "t")
PLACES = {1: ("place",), 2: ("row", "column"), 3: ("plane", "row", "column")}
NUMBERS = {1: "five", 2: "seven", 3: "nine"}
WIDTH = 76  # what a terminal of 80 columns shows without breaking a line


def snippets(problem: ConvProblem) -> tuple[Snippet, ...]:
    """Return the four, each as it would be written for these very numbers.

    >>> from glassconv import parse
    >>> print(snippets(parse("3x32x32 4@5x5"))[2].code)
    columns = F.unfold(x, 5)  # [1, 75, 784]
    y = w.view(4, 75) @ columns + b[:, None]  # [1, 4, 784]
    y = y.view(1, 4, 28, 28)
    """
    unfold = "F.unfold" if problem.ndim == 2 else "Tensor.unfold"
    return (
        Snippet("layer", "PyTorch's layer", "\n".join(_layer(problem))),
        Snippet("einsum", "Windows and einsum", "\n".join(_einsum(problem))),
        Snippet("unfold", f"{unfold}, matmul, view", "\n".join(_unfold(problem))),
        Snippet("loops", f"{NUMBERS[problem.ndim].title()} loops", "\n".join(_loops(problem))),
    )


def _layer(problem: ConvProblem) -> list[str]:
    channels = f"{problem.in_channels}, {problem.out_channels}"
    arguments = [f"{channels}, {once(problem.kernel_size)}", *_steps(problem)]
    if problem.groups > 1:
        arguments.append(f"groups={problem.groups}")
    if not problem.bias:
        arguments.append("bias=False")
    bias = "w, b = layer.weight.detach(), layer.bias.detach()"
    return [
        "import torch",
        "import torch.nn.functional as F",
        "from torch import nn",
        "",
        call_text(f"layer = nn.Conv{problem.ndim}d", arguments + dtype_argument(problem)),
        call_text("x = torch.randn", [listed(problem.input_shape), *dtype_argument(problem)]),
        bias if problem.bias else "w = layer.weight.detach()",
        with_shape(
            f"y = layer({_pad(problem) if _uneven(problem) else 'x'})", problem.output_shape
        ),
    ]


def _einsum(problem: ConvProblem) -> list[str]:
    outputs, taps = "".join(OUTPUTS[: problem.ndim]), "".join(TAPS[: problem.ndim])
    batch, groups, output = problem.batch, problem.groups, problem.output_shape
    lines = _windows(problem)
    if groups == 1:
        lines.append(f'y = torch.einsum("nc{outputs}{taps},fc{taps}->nf{outputs}", windows, w)')
        if problem.bias:
            lines.append(f"y = y{_bias(problem.ndim)}")
    else:
        channels, *kernel = problem.weight_shape[1:]
        split = (batch, groups, channels, *problem.output_size, *kernel)
        rows = (groups, problem.gemm.m, channels, *kernel)
        lines += [
            with_shape(f"windows = windows.unflatten(1, ({groups}, {channels}))", split),
            with_shape(f"rows = w.unflatten(0, ({groups}, {problem.gemm.m}))", rows),
            f'y = torch.einsum("ngc{outputs}{taps},gfc{taps}->ngf{outputs}", windows, rows)',
            f"y = y.flatten(1, 2){_bias(problem.ndim) if problem.bias else ''}",
        ]
    return [*lines[:-1], with_shape(lines[-1], output)]


def _unfold(problem: ConvProblem) -> list[str]:
    batch, groups, m, k = problem.batch, problem.groups, problem.gemm.m, problem.gemm.k
    positions = prod(problem.output_size)
    bias = _bias(1) if problem.bias else ""
    lines = _columns(problem, (batch, groups * k, positions))
    if groups == 1:
        lines.append(with_shape(f"y = w.view({m}, {k}) @ columns{bias}", (batch, m, positions)))
    else:
        product = (batch, groups, m, positions)
        lines.append(f"columns = columns.view({batch}, {groups}, {k}, {positions})")
        lines.append(with_shape(f"y = w.view({groups}, {m}, {k}) @ columns", product))
        if bias:
            lines.append(f"y = y.view({batch}, {problem.out_channels}, {positions}){bias}")
    return [*lines, f"y = y.view({listed(problem.output_shape)})"]


def _columns(problem: ConvProblem, shape: tuple[int, ...]) -> list[str]:
    """Return lines that make the im2col matrix: PyTorch has `F.unfold` for two axes only."""
    if problem.ndim == 2:
        lines = [f"padded = {_pad(problem)}"] if _uneven(problem) else []
        arguments = ["padded" if lines else "x", once(problem.kernel_size), *_steps(problem)]
        return [*lines, with_shape(call_text("columns = F.unfold", arguments), shape)]
    outputs = range(2, 2 + problem.ndim)
    taps = range(2 + problem.ndim, 2 + 2 * problem.ndim)
    return [
        *_windows(problem),
        f"columns = windows.permute({listed((0, 1, *taps, *outputs))})",
        f"columns = columns.reshape({listed(shape)})",
    ]


def _loops(problem: ConvProblem) -> list[str]:
    axes = list(zip(OUTPUTS, TAPS, PLACES[problem.ndim], problem.axes, strict=False))
    lines = [call_text("y = torch.zeros", [listed(problem.output_shape), *dtype_argument(problem)])]
    indent = ""

    def add(line: str) -> None:
        lines.append(indent + line)

    def loop(index: str, count: int) -> None:
        nonlocal indent
        add(f"for {index} in range({count}):")
        indent += "    "

    loop("n", problem.batch)
    loop("f", problem.out_channels)
    for outer, _, _, axis in axes:
        loop(outer, axis.output_size)
    add("total = 0.0")
    around_the_sum = indent
    loop("c", problem.weight_shape[1])
    if problem.groups > 1:
        add(f"channel = x[n, f // {problem.gemm.m} * {problem.weight_shape[1]} + c]")
    for outer, tap, place, axis in axes:
        loop(tap, axis.kernel_size)
        before = f" - {axis.padding[0]}" if axis.padding[0] else ""
        add(f"{place} = {_times(outer, axis.stride)} + {_times(tap, axis.dilation)}{before}")
        if any(axis.padding):
            add(f"if not 0 <= {place} < {axis.input_size}:")
            add("    continue  # padding")
    source = "channel[" if problem.groups > 1 else "x[n, c, "
    add(f"pixel = {source}{', '.join(place for _, _, place, _ in axes)}]")
    add(f"total += pixel * w[{', '.join(['f', 'c', *(tap for _, tap, *_ in axes)])}]")
    indent = around_the_sum
    output = ", ".join(["n", "f", *(outer for outer, *_ in axes)])
    add(f"y[{output}] = total{' + b[f]' if problem.bias else ''}")
    return lines


def _windows(problem: ConvProblem) -> list[str]:
    """Return lines that lay a view of every window [batch, in_channels, *outputs, *kernel]."""
    lines, source = [], "x"
    if problem.is_padded:
        lines.append(f"padded = {_pad(problem)}")
        source = "padded"
    for number, axis in enumerate(problem.axes, start=2):
        holes = f"[..., ::{axis.dilation}]" if axis.dilation > 1 else ""
        lines.append(f"windows = {source}.unfold({number}, {axis.extent}, {axis.stride}){holes}")
        source = "windows"
    shape = (*problem.input_shape[:2], *problem.output_size, *problem.kernel_size)
    return [*lines[:-1], with_shape(lines[-1], shape)]


def _pad(problem: ConvProblem) -> str:
    """Write F.pad, which takes the last axis first."""
    sides = tuple(size for pair in reversed(problem.padding) for size in pair)
    return f"F.pad(x, ({listed(sides)}))"


def _steps(problem: ConvProblem) -> list[str]:
    """Write the steps that differ from PyTorch's defaults; uneven padding is laid beforehand."""
    padding = tuple(0 if _uneven(problem) else before for before, _ in problem.padding)
    steps = {"stride": problem.stride, "padding": padding, "dilation": problem.dilation}
    usual = {"stride": {1}, "padding": {0}, "dilation": {1}}
    return [f"{name}={once(step)}" for name, step in steps.items() if set(step) != usual[name]]


def _uneven(problem: ConvProblem) -> bool:
    return not problem.even_padding


def dtype_argument(problem: Problem) -> list[str]:
    """Write the element type where it is not PyTorch's default."""
    return [] if problem.dtype == "float32" else [f"dtype=torch.{problem.dtype}"]


def _bias(axes: int) -> str:
    """Write the addition of a bias to every position of its filter."""
    return f" + b[:{', None' * axes}]"


def once(values: tuple[int, ...]) -> str:
    """Write equal values once: (3, 3) is 3."""
    return str(values[0]) if len(set(values)) == 1 else f"({listed(values)})"


def _times(index: str, step: int) -> str:
    return index if step == 1 else f"{step} * {index}"


def listed(values: tuple[int, ...]) -> str:
    """Write values with commas between."""
    return ", ".join(map(str, values))


def call_text(function: str, arguments: Sequence[str]) -> str:
    """Write a call in one line, or one argument a line where that is too long."""
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in arguments), ")"])


def with_shape(code: str, shape: tuple[int, ...]) -> str:
    """Write a shape behind the line that makes it, where it fits."""
    noted = f"{code}  # [{listed(shape)}]"
    return noted if len(noted.rpartition("\n")[2]) <= WIDTH else code
