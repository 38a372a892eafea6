"""An explanation in words: what the terminal and the page show alike, before either lays it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from glassconv.reports.explanation import AlgorithmFacts, AxisFacts, Explanation
from glassconv.reports.verdict import Verdict
from glassconv.views.notation import output_size_formula, shape, size, small


@dataclass(frozen=True)
class Pairs:
    """Names with what is said about each; an empty name goes on with the one before."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Note:
    """A sentence beside the facts."""

    text: str


@dataclass(frozen=True)
class Standings:
    """The table of algorithms: its headings, and for each row whether it may run, and its cells."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Verdict, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Listing:
    """A piece of Python under its title."""

    title: str
    code: str


Block = Pairs | Note | Standings | Listing


@dataclass(frozen=True)
class Chapter:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


def summary(facts: Explanation) -> str:
    """Write the layer in a line: what goes in and what comes out."""
    problem = facts.problem
    return f"{shape(problem.input_shape)} → {shape(problem.output_shape)}, {problem.dtype}"


def chapters(facts: Explanation) -> tuple[Chapter, ...]:
    """Return the six chapters of an explanation."""
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
        refused = f"; PyTorch refuses it with stride {_step(problem.stride)}"
        yield "'same'", f"would add {_sides(facts, same)}{_if(set(problem.stride) != {1}, refused)}"


def _sides(facts: Explanation, padding: Sequence[tuple[int, int]]) -> str:
    """Write how much goes where, once where the axes agree."""
    said = [f"{before} before and {after} after" for before, after in padding]
    if len(set(said)) == 1:
        return said[0] + _if(len(said) > 1, " on every axis")
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
    field = f"{_by([axis.extent for axis in facts.axes])} of the input"
    holes = f", of which {_by(problem.kernel_size)} are read"
    reads = f"{field}{_if(set(problem.dilation) != {1}, holes)}"
    return f"{reads}; the next output's lies {_step(problem.stride)} further"


def _product(facts: Explanation) -> Block:
    product, problem = facts.product, facts.problem
    m, n, k = product.gemm.m, product.gemm.n, product.gemm.k
    groups = () if product.gemm.groups == 1 else (product.gemm.groups,)
    filters = " / ".join(map(str, (problem.out_channels, *groups)))
    channels = " / ".join(map(str, (problem.in_channels, *groups)))
    return Pairs(
        (
            ("product", f"({m:,} × {k:,}) · ({k:,} × {n:,})"),
            ("m = filters", _equation(filters, m)),
            ("n = windows", _equation(_times((problem.batch, *problem.output_size)), n)),
            ("k = taps", _equation(f"{channels} · {_times(problem.kernel_size)}", k)),
            ("rows", f"{shape(product.rows_shape)}, {size(product.rows_bytes)}: "
                     "the weight as it lies"),
            ("columns", f"{shape(product.columns_shape)}, {size(product.columns_bytes)}: "
                        f"im2col's matrix, {product.expansion:.3g} × the input"),
        )
    )  # fmt: skip


def _arithmetic(facts: Explanation) -> Block:
    count, problem = facts.arithmetic, facts.problem
    each = _equation(_times(problem.weight_shape[1:]), count.products_per_output)
    return Pairs(
        (
            ("outputs", _equation(_times(problem.output_shape), count.outputs)),
            ("products of one", each),
            ("MACs", f"{count.outputs:,} · {count.products_per_output:,} = {count.macs:,}"),
            ("FLOPs", f"2 · {count.macs:,} = {count.flops:,}"),
            ("bias", _bias(facts)),
            ("padding", _padding_share(facts)),
            ("backward", f"{count.input_gradient_flops:,} FLOPs for the input's gradient, as many "
                         "for the weight's"),
            ("PyTorch", _torch_count(facts)),
        )
    )  # fmt: skip


def _bias(facts: Explanation) -> str:
    count = facts.arithmetic
    if not facts.problem.bias:
        return "none"
    total = count.flops + count.bias_additions
    return f"one addition an output, {count.bias_additions:,}, not in the FLOPs: {total:,} with it"


def _padding_share(facts: Explanation) -> str:
    count = facts.arithmetic
    if not count.padding_share:
        return "no product is with padding"
    return f"{count.padding_share:.1%} of the products are with padding, and counted"


def _torch_count(facts: Explanation) -> str:
    """Say where torch.utils.flop_counter agrees, and where it does not."""
    count = facts.arithmetic
    pairs = (
        ("the forward pass", count.flops, count.torch.forward),
        ("the input's gradient", count.input_gradient_flops, count.torch.input_gradient),
        ("the weight's gradient", count.weight_gradient_flops, count.torch.weight_gradient),
    )
    agreed = [name for name, ours, theirs in pairs if ours == theirs]
    everywhere = len(agreed) == len(pairs)
    said = ["agrees " + ("forward and backward" if everywhere else f"on {' and '.join(agreed)}")]
    said += [
        f"of {name} it counts {theirs:,}, {theirs / ours:.3g} × as many"
        + _if(theirs == ours * facts.problem.groups, ", as if there were no groups")
        for name, ours, theirs in pairs
        if ours != theirs
    ]
    said += ["it counts no bias"] if facts.problem.bias else []
    return f"torch.utils.flop_counter {'; '.join(said)}"


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


def _equation(product: str, result: int) -> str:
    """Write a product and what it comes to, or that alone where it is the same."""
    return f"{result:,}" if product == str(result) else f"{product} = {result:,}"


def _times(sizes: Iterable[int]) -> str:
    return " · ".join(map(str, sizes))


def _by(sizes: Iterable[int]) -> str:
    return " × ".join(map(str, sizes))


def _step(sizes: tuple[int, ...]) -> str:
    """Write equal steps once: 2 for (2, 2)."""
    return str(sizes[0]) if len(set(sizes)) == 1 else _by(sizes)


def _if(condition: bool, text: str) -> str:
    return text if condition else ""
