"""The sections of an explanation, which the terminal and HTML views show alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.explanation import AlgorithmFacts, AxisFacts, Explanation
from glassconv.views import transposed_explanation_sections
from glassconv.views.explanation_blocks import (
    AlgorithmTable,
    Block,
    Chapter,
    Listing,
    Note,
    Pairs,
    bias_text,
    by,
    equation,
    step_text,
    text_if,
    times,
    torch_count_text,
)
from glassconv.views.notation import output_size_formula, shape, size, small


def summary(facts: Explanation) -> str:
    """Return the shapes of input and output, and the element type, in one line."""
    problem = facts.subject
    return f"{shape(problem.input_shape)} → {shape(problem.output_shape)}, {problem.dtype}"


def chapters(facts: Explanation) -> tuple[Chapter, ...]:
    """Return the six sections of an explanation."""
    if facts.transposed is not None:
        return _transposed_chapters(facts, facts.transposed)
    groups = facts.product.gemm.groups
    products = "One matrix product" if groups == 1 else f"{groups} matrix products, one per group"
    return (
        Chapter("Output size", tuple(_output_size(facts))),
        Chapter(products, (_product(facts),)),
        Chapter("Arithmetic", (_arithmetic(facts),)),
        Chapter("Memory", tuple(_memory(facts))),
        Chapter("Algorithms", tuple(_algorithms(facts))),
        Chapter("Equivalent code", tuple(_code(facts))),
    )


def _transposed_chapters(facts: Explanation, problem: TransposedProblem) -> tuple[Chapter, ...]:
    """Return the same six sections of a transposed convolution."""
    own = transposed_explanation_sections
    return (
        Chapter("Output size", own.output_size(facts, problem)),
        Chapter("A matrix product, then fold (col2im)", own.product(facts, problem)),
        Chapter("Arithmetic", own.arithmetic(facts, problem)),
        Chapter("Memory", tuple(_memory(facts))),
        Chapter("Algorithms", tuple(_algorithms(facts))),
        Chapter("Equivalent code", tuple(_code(facts))),
    )


def _output_size(facts: Explanation) -> Iterable[Block]:
    yield Note("floor((size + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1")
    axes = zip(facts.axes, facts.problem.axes, strict=True)
    sizes = [(axis.name, output_size_formula(sizes)) for axis, sizes in axes]
    field = ("receptive field", _receptive_field(facts))
    yield Pairs((*sizes, *_padding(facts), *_unread(facts), field))


def _padding(facts: Explanation) -> Iterable[tuple[str, str]]:
    problem, same = facts.problem, tuple(axis.same for axis in facts.axes)
    is_same = set(problem.stride) == {1} and same == problem.padding
    if problem.is_padded:
        text = _sides(facts, problem.padding)
        if is_same:
            odd = any(before != after for before, after in same)
            text += "; the same as padding='same'"
            text += ", which adds the odd one at the end" if odd else ""
        yield "padding", text
    if not is_same:
        limit = f"; PyTorch supports it with stride 1 only, not {step_text(problem.stride)}"
        yield (
            "'same'",
            f"would add {_sides(facts, same)}{text_if(set(problem.stride) != {1}, limit)}",
        )


def _sides(facts: Explanation, padding: Sequence[tuple[int, int]]) -> str:
    """Return the padding of each axis, written once where all axes are equal."""
    texts = [f"{before} before and {after} after" for before, after in padding]
    if len(set(texts)) == 1:
        return texts[0] + text_if(len(texts) > 1, " on every axis")
    return "; ".join(f"{axis.name} {text}" for axis, text in zip(facts.axes, texts, strict=True))


def _unread(facts: Explanation) -> Iterable[tuple[str, str]]:
    """Return which input elements no window reads: after the last one, or between taps."""
    texts = [*_per_axis(facts, _leftover), *_per_axis(facts, _stepped_over)]
    return zip(["unused pixels", *[""] * len(texts)], texts or ["none"], strict=False)


def _per_axis(facts: Explanation, describe: Callable[[AxisFacts], str]) -> Iterable[str]:
    for axis in facts.axes:
        if text := describe(axis):
            yield f"{axis.name}: {text}"


def _leftover(axis: AxisFacts) -> str:
    if not axis.leftover:
        return ""
    padding = axis.leftover - axis.leftover_input
    if not padding:
        whose = ""
    elif axis.leftover_input:
        whose = f" ({padding} of them padding)"
    else:
        whose = " (padding only)"
    last = "the last" if axis.leftover == 1 else f"the last {axis.leftover:,}"
    return f"{last}{whose}, since the division rounds down"


def _stepped_over(axis: AxisFacts) -> str:
    between = axis.unread_input - axis.leftover_input
    return f"{between:,} between the taps" if between else ""


def _pixels(stride: tuple[int, ...]) -> str:
    text = step_text(stride)
    return f"{text} pixel" + ("" if text == "1" else "s")


def _receptive_field(facts: Explanation) -> str:
    problem = facts.problem
    field = f"{by([axis.extent for axis in facts.axes])} of the input"
    holes = f", of which the taps read {by(problem.kernel_size)}"
    reads = f"{field}{text_if(set(problem.dilation) != {1}, holes)}"
    return f"{reads}; the next output's window starts {_pixels(problem.stride)} later"


def _product(facts: Explanation) -> Block:
    product, problem = facts.product, facts.problem
    m, n, k = product.gemm.m, product.gemm.n, product.gemm.k
    groups = () if product.gemm.groups == 1 else (product.gemm.groups,)
    filters = " / ".join(map(str, (problem.out_channels, *groups)))
    channels = " / ".join(map(str, (problem.in_channels, *groups)))
    return Pairs(
        (
            ("product", f"({m:,} × {k:,}) · ({k:,} × {n:,})"),
            ("m = filters", equation(filters, m)),
            ("n = windows", equation(times((problem.batch, *problem.output_size)), n)),
            ("k = channels · taps", equation(f"{channels} · {times(problem.kernel_size)}", k)),
            ("rows", f"{shape(product.rows_shape)}, {size(product.rows_bytes)}: "
                     "the weight, reshaped without copying"),
            ("columns", f"{shape(product.columns_shape)}, {size(product.columns_bytes)}: "
                        f"the im2col matrix, {product.expansion:.3g} × the input"),
        )
    )  # fmt: skip


def _arithmetic(facts: Explanation) -> Block:
    count, problem = facts.arithmetic, facts.problem
    per_output = equation(times(problem.weight_shape[1:]), count.products_per_output)
    return Pairs(
        (
            ("outputs", equation(times(problem.output_shape), count.outputs)),
            ("MACs per output", per_output),
            ("MACs", f"{count.outputs:,} · {count.products_per_output:,} = {count.macs:,}"),
            ("FLOPs", f"2 · {count.macs:,} = {count.flops:,}"),
            ("bias", bias_text(facts)),
            ("padding", _padding_share(facts)),
            ("backward", f"{count.input_gradient_flops:,} FLOPs each for the gradients of input "
                         "and weight"),
            ("PyTorch", torch_count_text(facts)),
        )
    )  # fmt: skip


def _padding_share(facts: Explanation) -> str:
    count = facts.arithmetic
    if not count.padding_share:
        return "no multiplication touches padding"
    return f"{count.padding_share:.1%} of the multiplications touch padding; they are counted"


def _memory(facts: Explanation) -> Iterable[Block]:
    memory, flops = facts.memory, facts.arithmetic.flops
    arrays = {
        "input": memory.input_bytes,
        "weight": memory.weight_bytes,
        "bias": memory.bias_bytes,
        "output": memory.output_bytes,
    }
    present = {name: count for name, count in arrays.items() if count or name != "bias"}
    moved = memory.forward_bytes - memory.bias_bytes
    yield Pairs(
        (
            *((name, size(count)) for name, count in present.items()),
            ("forward", f"{size(memory.forward_bytes)} in total"),
            ("backward", f"{size(memory.saved_bytes)} of input and weight, saved by the forward "
                         f"pass, + {size(memory.gradient_bytes)} of gradients = "
                         f"{size(memory.backward_bytes)}"),
            ("intensity", f"{flops:,} FLOPs / {moved:,} bytes of input, weight and output = "
                          f"{memory.intensity:.3g} FLOPs per byte"),
        )
    )  # fmt: skip
    yield Note(
        "Assumptions: each array is counted once, without workspace, and has a gradient of its "
        "own size. Input and weight are saved for the backward pass without a copy; the output "
        "is not saved."
    )


def _selected(facts: Explanation) -> str:
    """Return what auto selects; why, where the arrays' device decides it."""
    for algorithm in facts.algorithms:
        if algorithm.name == facts.chosen:
            decided = algorithm.runs != algorithm.supported
            return f"{algorithm.name}: {algorithm.runs.reason}" if decided else algorithm.name
    return "none: no algorithm fits in memory"


def _algorithms(facts: Explanation) -> Iterable[Block]:
    supported = [algorithm for algorithm in facts.algorithms if algorithm.supported]
    yield AlgorithmTable(
        ("algorithm", "mults", "adds", "workspace", "bound", "main cost"),
        tuple((algorithm.runs, _cells(algorithm)) for algorithm in supported),
    )
    yield Pairs(
        (
            ("auto", f"selects {_selected(facts)}"),
            *(
                (algorithm.name, algorithm.runs.reason)
                for algorithm in facts.algorithms
                if not algorithm.runs
            ),
        )
    )
    core = facts.core
    yield Note(
        "Main cost (predicted): the largest share of the time on a nominal core with "
        f"{core.flops_per_second / 1e9:g} GFLOP/s, {core.bytes_per_second / 1e9:g} GB/s and "
        f"{core.seconds_per_operation * 1e6:g} µs of fixed overhead per array operation."
    )
    yield Note("Bound: |error| of each output ≤ bound × (x window, w filter, b bias)")
    measures: dict[str, list[str]] = {}
    for algorithm in supported:
        if algorithm.bound is not None:
            measures.setdefault(algorithm.bound.measure, []).append(_with_factor(algorithm))
    yield Pairs(tuple((measure, ", ".join(names)) for measure, names in measures.items()))


def _with_factor(algorithm: AlgorithmFacts) -> str:
    """Return an algorithm's name, with the K of its bound K·n·u, n products + 1, unless it is 1."""
    factor = algorithm.bound and algorithm.bound.window_factor
    return algorithm.name if factor in (None, 1) else f"{algorithm.name} ({factor:g}·n·u)"


def _cells(algorithm: AlgorithmFacts) -> tuple[str, ...]:
    cost, bound, predicted = algorithm.cost, algorithm.bound, algorithm.prediction
    if cost is None or bound is None or predicted is None:
        return (algorithm.name,)
    shares = {
        "arithmetic": predicted.arithmetic,
        "memory": predicted.memory,
        "overhead": predicted.overhead,
    }
    limit = max(shares, key=lambda name: shares[name])
    return (
        algorithm.name,
        _count(cost.multiplications),
        _count(cost.additions),
        size(cost.workspace_bytes),
        "none" if bound.factor is None else small(bound.factor),
        f"{limit} {shares[limit]:.0%}",
    )


def _count(count: float) -> str:
    """Write a count of operations in thousands, millions and so on."""
    for unit in ("", " k", " M", " G", " T"):
        if count < 1000:
            return f"{count:.4g}{unit}"
        count /= 1000
    return f"{count:.4g} P"


def _code(facts: Explanation) -> Iterable[Block]:
    yield Note("Run in this order: the first creates the layer and x; each computes y.")
    for snippet in facts.code:
        yield Listing(snippet.title, snippet.code)
