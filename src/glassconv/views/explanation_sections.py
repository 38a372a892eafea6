"""The text of an explanation, which the terminal and HTML views share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.explanation import AlgorithmFacts, AxisFacts, Explanation
from glassconv.views import transposed_explanation_sections
from glassconv.views.explanation_blocks import (
    AlgorithmTable,
    Block,
    Listing,
    Note,
    Pairs,
    Section,
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
    """Write the input shape, the output shape and the dtype in a line."""
    problem = facts.subject
    return f"{shape(problem.input_shape)} → {shape(problem.output_shape)}, {problem.dtype}"


def sections(facts: Explanation) -> tuple[Section, ...]:
    """Return the six sections of an explanation."""
    if facts.transposed is not None:
        return _transposed_sections(facts, facts.transposed)
    groups = facts.product.gemm.groups
    products = "One matrix product" if groups == 1 else f"{groups} matrix products, one per group"
    return (
        Section("Output size", tuple(_output_size(facts))),
        Section(products, (_product(facts),)),
        Section("Arithmetic", (_arithmetic(facts),)),
        Section("Memory", tuple(_memory(facts))),
        Section("Algorithms", tuple(_algorithms(facts))),
        Section("Equivalent code", tuple(_code(facts))),
    )


def _transposed_sections(facts: Explanation, problem: TransposedProblem) -> tuple[Section, ...]:
    """Return the six sections for a transposed convolution."""
    transposed = transposed_explanation_sections
    return (
        Section("Output size", transposed.output_size(facts, problem)),
        Section("A matrix product, then fold (col2im)", transposed.product(facts, problem)),
        Section("Arithmetic", transposed.arithmetic(facts, problem)),
        Section("Memory", tuple(_memory(facts))),
        Section("Algorithms", tuple(_algorithms(facts))),
        Section("Equivalent code", tuple(_code(facts))),
    )


def _output_size(facts: Explanation) -> Iterable[Block]:
    yield Note("floor((size + padding − dilation·(kernel − 1) − 1) / stride) + 1")
    axes = zip(facts.axes, facts.problem.axes, strict=True)
    sizes = [(axis.name, output_size_formula(sizes)) for axis, sizes in axes]
    field = ("receptive field", _receptive_field(facts))
    yield Pairs((*sizes, *_padding(facts), *_unused(facts), field))


def _padding(facts: Explanation) -> Iterable[tuple[str, str]]:
    problem, same = facts.problem, tuple(axis.same for axis in facts.axes)
    is_same = set(problem.stride) == {1} and same == problem.padding
    if problem.is_padded:
        text = _sides(facts, problem.padding)
        if is_same:
            odd = any(before != after for before, after in same)
            extra = text_if(odd, ", which adds an odd pixel at the end")
            text += f" (equals padding='same'{extra})"
        yield "padding", text
    if not is_same:
        refused = f" (PyTorch supports it only with stride 1, not {step_text(problem.stride)})"
        yield (
            "'same'",
            f"would add {_sides(facts, same)}{text_if(set(problem.stride) != {1}, refused)}",
        )


def _sides(facts: Explanation, padding: Sequence[tuple[int, int]]) -> str:
    """Write the padding of each axis, once if it is the same for all."""
    texts = [f"{before} before and {after} after" for before, after in padding]
    if len(set(texts)) == 1:
        return texts[0] + text_if(len(texts) > 1, " on every axis")
    return "; ".join(f"{axis.name} {text}" for axis, text in zip(facts.axes, texts, strict=True))


def _unused(facts: Explanation) -> Iterable[tuple[str, str]]:
    """Return which pixels no window reads: those after the last window, and between taps."""
    texts = [*_per_axis(facts, _leftover), *_per_axis(facts, _skipped)]
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
        detail = ""
    elif axis.leftover_input:
        detail = f", {padding} of them padding"
    else:
        detail = ", padding only"
    return f"the last {_positions(axis.leftover)} (the output size is rounded down{detail})"


def _skipped(axis: AxisFacts) -> str:
    between = axis.unread_input - axis.leftover_input
    return f"{_positions(between)} between taps" if between else ""


def _positions(count: int) -> str:
    return f"{count:,} position" + ("s" if count > 1 else "")


def _receptive_field(facts: Explanation) -> str:
    problem = facts.problem
    field = f"{by([axis.extent for axis in facts.axes])} pixels"
    holes = f", of which the taps read {by(problem.kernel_size)}"
    pixels = "pixel" if set(problem.stride) == {1} else "pixels"
    step = f"the next output's window starts {step_text(problem.stride)} {pixels} later"
    return f"{field}{text_if(set(problem.dilation) != {1}, holes)}; {step}"


def _product(facts: Explanation) -> Block:
    product, problem = facts.product, facts.problem
    m, n, k = product.gemm.m, product.gemm.n, product.gemm.k
    groups = () if product.gemm.groups == 1 else (product.gemm.groups,)
    filters = " / ".join(map(str, (problem.out_channels, *groups)))
    channels = " / ".join(map(str, (problem.in_channels, *groups)))
    return Pairs(
        (
            ("product", f"({m:,} × {k:,}) · ({k:,} × {n:,})"),
            ("m = out_channels", equation(filters, m)),
            ("n = positions", equation(times((problem.batch, *problem.output_size)), n)),
            ("k = weights", equation(f"{channels} · {times(problem.kernel_size)}", k)),
            ("weight matrix", f"{shape(product.rows_shape)}, {size(product.rows_bytes)}: "
                              "the weight, reshaped without copying"),
            ("im2col matrix", f"{shape(product.columns_shape)}, {size(product.columns_bytes)}: "
                              f"{product.expansion:.3g} × the input"),
        )
    )  # fmt: skip


def _arithmetic(facts: Explanation) -> Block:
    count, problem = facts.arithmetic, facts.problem
    per_output = equation(times(problem.weight_shape[1:]), count.products_per_output)
    return Pairs(
        (
            ("outputs", equation(times(problem.output_shape), count.outputs)),
            ("per output", f"{per_output} multiplications"),
            ("MACs", f"{count.outputs:,} · {count.products_per_output:,} = {count.macs:,}"),
            ("FLOPs", f"2 · {count.macs:,} = {count.flops:,}"),
            ("bias", bias_text(facts)),
            ("padding", _padding_share(facts)),
            ("backward", f"{count.input_gradient_flops:,} FLOPs for each of the input and weight "
                         "gradients"),
            ("PyTorch", torch_count_text(facts)),
        )
    )  # fmt: skip


def _padding_share(facts: Explanation) -> str:
    count = facts.arithmetic
    if not count.padding_share:
        return "no multiplication touches padding"
    return f"{count.padding_share:.1%} of the MACs multiply padding (included)"


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
            ("backward", f"{size(memory.saved_bytes)} of saved input and weight + "
                         f"{size(memory.gradient_bytes)} of gradients = "
                         f"{size(memory.backward_bytes)}"),
            ("intensity", f"{flops:,} FLOPs / {moved:,} bytes of input, weight and output = "
                          f"{memory.intensity:.3g} FLOPs per byte"),
        )
    )  # fmt: skip
    yield Note(
        "Assumptions: each array is counted once, without workspace, and has a gradient of the "
        "same size. Input and weight are saved by reference for backward; the output is not saved."
    )


def _algorithms(facts: Explanation) -> Iterable[Block]:
    supported = [algorithm for algorithm in facts.algorithms if algorithm.supported]
    yield AlgorithmTable(
        ("algorithm", "multiply", "add", "workspace", "bound", "main cost"),
        tuple((algorithm.runs, _cells(algorithm)) for algorithm in supported),
    )
    yield Pairs(
        (
            ("auto", f"selects {facts.chosen or 'no algorithm: none fits in memory'}"),
            *(
                (algorithm.name, algorithm.runs.reason)
                for algorithm in facts.algorithms
                if not algorithm.runs
            ),
        )
    )
    core = facts.core
    yield Note(
        "Main cost: the largest share of the time predicted for a nominal core with "
        f"{core.flops_per_second / 1e9:g} GFLOP/s, {core.bytes_per_second / 1e9:g} GB/s and "
        f"{core.seconds_per_operation * 1e6:g} µs of fixed overhead per operation."
    )
    yield Note(
        "Bound: each output's error is at most this factor times the expression below, "
        "of the input window x, the filter w and the bias b (docs/error-bounds.md)."
    )
    measures: dict[str, list[str]] = {}
    for algorithm in supported:
        if algorithm.bound is not None:
            measures.setdefault(algorithm.bound.measure, []).append(algorithm.name)
    yield Pairs(tuple((measure, ", ".join(names)) for measure, names in measures.items()))


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
        f"{shares[limit]:.0%} {limit}",
    )


def _count(count: float) -> str:
    """Write a count of operations in thousands, millions and so on."""
    for unit in ("", " k", " M", " G", " T"):
        if count < 1000:
            return f"{count:.4g}{unit}"
        count /= 1000
    return f"{count:.4g} P"


def _code(facts: Explanation) -> Iterable[Block]:
    yield Note("Run these in order; each computes y.")
    for snippet in facts.code:
        yield Listing(snippet.title, snippet.code)
