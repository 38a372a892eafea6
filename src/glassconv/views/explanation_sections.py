"""An explanation in words: what the terminal and the page show alike, before either lays it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from glassconv.problem.transposed import TransposedProblem
from glassconv.reports.explanation import AlgorithmFacts, AxisFacts, Explanation
from glassconv.views import transposed_explanation_sections
from glassconv.views.explanation_blocks import (
    Block,
    Chapter,
    Listing,
    Note,
    Pairs,
    Standings,
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
    """Write the layer in a line: what goes in and what comes out."""
    problem = facts.subject
    return f"{shape(problem.input_shape)} → {shape(problem.output_shape)}, {problem.dtype}"


def chapters(facts: Explanation) -> tuple[Chapter, ...]:
    """Return the six chapters of an explanation."""
    if facts.transposed is not None:
        return _transposed_chapters(facts, facts.transposed)
    groups = facts.product.gemm.groups
    products = "One matrix product" if groups == 1 else f"{groups} matrix products, one a group"
    return (
        Chapter("The size of the output", tuple(_output_size(facts))),
        Chapter(products, (_product(facts),)),
        Chapter("Arithmetic", (_arithmetic(facts),)),
        Chapter("Memory", tuple(_memory(facts))),
        Chapter("Algorithms", tuple(_algorithms(facts))),
        Chapter("The same in code", tuple(_code(facts))),
    )


def _transposed_chapters(facts: Explanation, problem: TransposedProblem) -> tuple[Chapter, ...]:
    """Return the same six chapters of a transposed convolution."""
    own = transposed_explanation_sections
    return (
        Chapter("The size of the output", own.output_size(facts, problem)),
        Chapter("A matrix product, then fold (col2im)", own.product(facts, problem)),
        Chapter("Arithmetic", own.arithmetic(facts, problem)),
        Chapter("Memory", tuple(_memory(facts))),
        Chapter("Algorithms", tuple(_algorithms(facts))),
        Chapter("The same in code", tuple(_code(facts))),
    )


def _output_size(facts: Explanation) -> Iterable[Block]:
    yield Note("floor((size + padding − dilation·(kernel − 1) − 1) / stride) + 1")
    axes = zip(facts.axes, facts.problem.axes, strict=True)
    sizes = [(axis.name, output_size_formula(sizes)) for axis, sizes in axes]
    field = ("receptive field", _receptive_field(facts))
    yield Pairs((*sizes, *_padding(facts), *_unread(facts), field))


def _padding(facts: Explanation) -> Iterable[tuple[str, str]]:
    problem, same = facts.problem, tuple(axis.same for axis in facts.axes)
    is_same = set(problem.stride) == {1} and same == problem.padding
    if problem.is_padded:
        said = _sides(facts, problem.padding)
        if is_same:
            said += "; that is padding='same'"
            odd = any(before != after for before, after in same)
            said += ", whose odd one goes after" if odd else ""
        yield "padding", said
    if not is_same:
        refused = f"; PyTorch refuses it with stride {step_text(problem.stride)}"
        yield (
            "'same'",
            f"would add {_sides(facts, same)}{text_if(set(problem.stride) != {1}, refused)}",
        )


def _sides(facts: Explanation, padding: Sequence[tuple[int, int]]) -> str:
    """Write how much goes where, once where the axes agree."""
    said = [f"{before} before and {after} after" for before, after in padding]
    if len(set(said)) == 1:
        return said[0] + text_if(len(said) > 1, " on every axis")
    return "; ".join(f"{axis.name} {text}" for axis, text in zip(facts.axes, said, strict=True))


def _unread(facts: Explanation) -> Iterable[tuple[str, str]]:
    """Say what no window reads: left over by the floor, or stepped over."""
    said = [*_per_axis(facts, _leftover), *_per_axis(facts, _stepped_over)]
    return zip(["unread", *[""] * len(said)], said or ["nothing"], strict=False)


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
        whose = f", {padding} of them padding"
    else:
        whose = ", padding only"
    return f"{_positions(axis.leftover)} after the last window, left over by the floor{whose}"


def _stepped_over(axis: AxisFacts) -> str:
    between = axis.unread_input - axis.leftover_input
    return f"{_positions(between)} of the input between what the taps read" if between else ""


def _positions(count: int) -> str:
    return f"{count:,} position" + ("s" if count > 1 else "")


def _receptive_field(facts: Explanation) -> str:
    problem = facts.problem
    field = f"{by([axis.extent for axis in facts.axes])} of the input"
    holes = f", of which {by(problem.kernel_size)} are read"
    reads = f"{field}{text_if(set(problem.dilation) != {1}, holes)}"
    return f"{reads}; the next output's lies {step_text(problem.stride)} further"


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
            ("k = taps", equation(f"{channels} · {times(problem.kernel_size)}", k)),
            ("rows", f"{shape(product.rows_shape)}, {size(product.rows_bytes)}: "
                     "the weight as it lies"),
            ("columns", f"{shape(product.columns_shape)}, {size(product.columns_bytes)}: "
                        f"im2col's matrix, {product.expansion:.3g} × the input"),
        )
    )  # fmt: skip


def _arithmetic(facts: Explanation) -> Block:
    count, problem = facts.arithmetic, facts.problem
    each = equation(times(problem.weight_shape[1:]), count.products_per_output)
    return Pairs(
        (
            ("outputs", equation(times(problem.output_shape), count.outputs)),
            ("products of one", each),
            ("MACs", f"{count.outputs:,} · {count.products_per_output:,} = {count.macs:,}"),
            ("FLOPs", f"2 · {count.macs:,} = {count.flops:,}"),
            ("bias", bias_text(facts)),
            ("padding", _padding_share(facts)),
            ("backward", f"{count.input_gradient_flops:,} FLOPs for the input's gradient, as many "
                         "for the weight's"),
            ("PyTorch", torch_count_text(facts)),
        )
    )  # fmt: skip


def _padding_share(facts: Explanation) -> str:
    count = facts.arithmetic
    if not count.padding_share:
        return "no product is with padding"
    return f"{count.padding_share:.1%} of the products are with padding, and counted"


def _memory(facts: Explanation) -> Iterable[Block]:
    memory, flops = facts.memory, facts.arithmetic.flops
    arrays = {
        "input": memory.input_bytes,
        "weight": memory.weight_bytes,
        "bias": memory.bias_bytes,
        "output": memory.output_bytes,
    }
    there = {name: count for name, count in arrays.items() if count or name != "bias"}
    moved = memory.forward_bytes - memory.bias_bytes
    yield Pairs(
        (
            *((name, size(count)) for name, count in there.items()),
            ("forward", f"{size(memory.forward_bytes)} in all"),
            ("backward", f"{size(memory.saved_bytes)} of input and weight, kept until then, + "
                         f"{size(memory.gradient_bytes)} of gradients = "
                         f"{size(memory.backward_bytes)}"),
            ("intensity", f"{flops:,} FLOPs / {moved:,} bytes of input, weight and output = "
                          f"{memory.intensity:.3g}"),
        )
    )  # fmt: skip
    yield Note(
        "Assumed: every array once, no algorithm's workspace, and a gradient of each of them, as "
        "large as its array. Input and weight are kept, not copied; the output is not."
    )


def _algorithms(facts: Explanation) -> Iterable[Block]:
    able = [each for each in facts.algorithms if each.supported]
    yield Standings(
        ("algorithm", "products", "adds", "workspace", "bound", "limited by"),
        tuple((each.runs, _cells(each)) for each in able),
    )
    yield Pairs(
        (
            ("auto", f"takes {facts.chosen or 'none: nothing fits in this machine'}"),
            *((each.name, each.runs.reason) for each in facts.algorithms if not each.runs),
        )
    )
    core = facts.core
    yield Note(
        "Limited by: the largest share of the time predicted for a nominal core, "
        f"{core.flops_per_second / 1e9:g} GFLOP/s, {core.bytes_per_second / 1e9:g} GB/s and "
        f"{core.seconds_per_operation * 1e6:g} µs of overhead for each operation it starts."
    )
    yield Note("Bound: no output's error is larger than it, times")
    measures: dict[str, list[str]] = {}
    for each in able:
        if each.bound is not None:
            measures.setdefault(each.bound.measure, []).append(each.name)
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
    yield Note("To be run one after the other; each makes its own y.")
    for snippet in facts.code:
        yield Listing(snippet.title, snippet.code)
