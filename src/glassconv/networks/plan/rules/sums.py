"""Convolutions and linear layers: the kernel that is predicted to be the fastest, weight packed."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from torch import Tensor

from glassconv.dispatch.select import fastest_kernel, kernel_named
from glassconv.dispatch.whole_numbers import is_whole
from glassconv.errors import UnsupportedError
from glassconv.kernels.gemm_parts.panel_packing import PanelPacking
from glassconv.kernels.runtime.plan import Plan
from glassconv.networks.convolutions import read
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.scale_weights import PRODUCTS
from glassconv.networks.passes.sums import refusal
from glassconv.networks.plan.builder import Builder
from glassconv.networks.plan.places import Place, dense_strides, has_gaps, same_strides
from glassconv.networks.plan.rules.pairs import add_pair, pair_with
from glassconv.networks.tensors import dtype_of
from glassconv.problem.activations import Epilogue
from glassconv.problem.arguments import problem_of
from glassconv.problem.memory_layout import NCHW, NHWC, Layout, layout_named, output_strides
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import TransposedProblem, flip
from glassconv.reports.choice import Candidate


def convolution(builder: Builder, operation: Operation) -> str | None:
    """Add a convolution to the plan, or return why PyTorch computes it."""
    reason = refusal(builder.network, operation)
    if reason is not None:
        return reason
    pair = pair_with(builder, operation)
    if pair is not None:
        if operation is pair.depthwise:
            add_pair(builder, pair)
        return None
    problem, weight = _problem(builder, operation)
    given = builder.place(operation.arguments["input"])
    if not reads_gaps(builder, operation, given.strides):
        given = builder.without_gaps(given, builder.layout)
    layout = _layout(builder, problem, given.shape, given.strides)
    assert layout is not None, "an array in this layout"
    output, layout = _output(builder, operation, problem, layout)
    return _add(builder, operation, problem, layout, given, weight, output)


def _output(
    builder: Builder, operation: Operation, problem: Problem, layout: Layout
) -> tuple[Place, Layout]:
    """Return where a convolution writes to, and the layout with its strides.

    It writes into its slice of a concatenation, where it has one. A residual has the strides of the
    output, and is not copied for that.
    """
    (value,) = operation.outputs
    dense = builder.strides((1, *value.shape)[-problem.ndim - 2 :])[-len(value.shape) :]
    found = builder.slice(value)
    into = None if found is None else _into(layout, problem, found)
    if found is not None and into is not None:
        has_residual = operation.arguments.get("residual") is not None
        if not (has_residual and has_gaps(value.shape, found.strides, dense)):
            return found, into
    return builder.new(value.shape, dtype_of(value), dense), layout


def reads_gaps(builder: Builder, operation: Operation, strides: tuple[int, ...]) -> bool:
    """Return whether a convolution reads an input with gaps as it reads one without.

    The same kernel must sum it in the same blocks. strides: of the input.
    """
    value: Value = operation.arguments["input"]
    dense = builder.strides(value.shape)
    if not has_gaps(value.shape, strides, dense):
        return False
    is_scaled = operation.arguments.get("scale") is not None
    if is_scaled or refusal(builder.network, operation) is not None:
        return False
    if pair_with(builder, operation) is not None:
        return False
    problem, weight = _problem(builder, operation)
    if len(value.shape) != len(problem.input_shape):  # without a batch axis
        return False
    layouts = [_layout(builder, problem, value.shape, each) for each in (strides, dense)]
    try:
        kernel = kernel_named(_fastest(builder, problem, builder.layout, weight).name)
        one, other = (
            kernel.plan(problem, each, _epilogue(operation), is_frozen=True)
            for each in layouts
            if each is not None
        )
    except UnsupportedError:
        return False
    return one.kernel is other.kernel and (one.blocking, one.loops) == (other.blocking, other.loops)


def _problem(builder: Builder, operation: Operation) -> tuple[Problem, Tensor]:
    """Return the problem of a convolution, and the numbers of its weight."""
    found = read(operation)
    weight, problem = builder.network.tensors[found.weight.number], found.problem
    if isinstance(problem, TransposedProblem) and problem.stride == (1,) * problem.ndim:
        return problem.convolution, flip(weight, problem.groups)
    return problem, weight


def _layout(
    builder: Builder, problem: Problem, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Layout | None:
    """Return the layout of an input of a shape and strides, with or without a batch axis."""
    if len(shape) == problem.ndim + 1:
        shape, strides = (1, *shape), (0, *strides)
    return layout_named(builder.layout, shape, strides)


def _into(layout: Layout, problem: Problem, output: Place) -> Layout | None:
    """Return a layout with the strides of an output, None where kernels cannot write it."""
    if len(output.shape) != len(problem.output_shape):
        return None
    pixel = 1 if layout.name == NCHW else problem.out_channels
    for size, stride in zip(output.shape[2:], output.strides[2:], strict=True):
        pixel = stride if size > 1 else pixel  # of the last axis that has several
    found = replace(layout, output=(output.strides[0], pixel))
    is_written = same_strides(output.shape, output.strides, output_strides(problem, found))
    return found if is_written and (pixel == 1 or layout.name == NHWC) else None


def _epilogue(operation: Operation) -> Epilogue:
    arguments = operation.arguments
    return Epilogue(arguments.get("activation"), arguments.get("residual") is not None)


def linear(builder: Builder, operation: Operation) -> str | None:
    """Add a linear layer, a convolution of 1 × 1 whose pixels are the rows of its input."""
    reason = refusal(builder.network, operation)
    if reason is not None:
        return reason
    input: Value = operation.arguments["input"]
    weight = builder.network.tensors[operation.arguments["weight"].number]
    *rows, channels = input.shape
    dense = dense_strides(input.shape, channels_last=False)
    given = builder.with_strides(builder.place(input), dense)
    count = prod(rows)
    sizes = ([1, channels, 1, count], [weight.shape[0], channels, 1, 1])
    bias = operation.arguments["bias"]
    problem = problem_of(*sizes, None if bias is None else bias.shape, dtype=input.dtype)
    layout = Layout(NHWC, (count * channels, 1, count * channels, channels))
    value = operation.outputs[0]
    output = builder.new(value.shape, given.dtype, dense_strides(value.shape, channels_last=False))
    return _add(builder, operation, problem, layout, given, weight[:, :, None, None], output)


def _add(
    builder: Builder,
    operation: Operation,
    problem: Problem,
    layout: Layout,
    given: Place,
    weight: Tensor,
    output: Place,
) -> str | None:
    """Add the kernel of a problem, or return why no kernel computes it.

    output: where it writes to, as the layout has it.
    """
    arguments = operation.arguments
    bias = builder.network.constant(arguments["bias"])
    residual = arguments.get("residual")
    try:
        candidate, plan, packed = _planned(builder, problem, layout, _epilogue(operation), weight)
    except UnsupportedError as error:
        return error.cause
    builder.places[operation.outputs[0].number] = output
    added = None
    if residual is not None:
        added = builder.with_strides(builder.place(residual), output.strides)
    numbers = plan.zero_bias if bias is None else bias.detach().contiguous() + 0.0  # no −0
    weights = builder.tensor(packed)
    scale = arguments.get("scale")
    if scale is not None:
        given, weights = _scaled(builder, operation, given, weights, plan, builder.place(scale))
    arrays = builder.arrays(
        input=given,
        weight=weights,
        bias=builder.tensor(numbers),
        output=output,
        residual=added,
    )
    builder.kernel(
        operation.name,
        candidate.name,
        plan.launches(arrays),
        [given, weights] if added is None else [given, weights, added],
        output,
        plan.workspace_size(builder.threads),
        candidate.compiled_seconds or 0.0,
        problem,
        layout.name,
        plan,
    )
    return None


def _scaled(
    builder: Builder,
    operation: Operation,
    input: Place,
    weights: Place,
    plan: Plan,
    scale: Place,
) -> tuple[Place, Place]:
    """Return the input and the weights of a 1 × 1 convolution, one of them times the scale.

    scale: [1, channels, 1, …]. The weights are scaled where they are packed in panels.
    """
    channels = scale.shape[1]
    if isinstance(plan.pack, PanelPacking):
        shape = (plan.pack.panels, channels, plan.pack.width)
        strides = dense_strides(shape, channels_last=False)
        packed = replace(weights, shape=shape, strides=strides)
        factor = replace(scale, shape=(channels, 1), strides=(scale.strides[1], 0))
        return input, _product(builder, operation, packed, factor)
    return _product(builder, operation, input, scale), weights


def _product(builder: Builder, operation: Operation, array: Place, factor: Place) -> Place:
    """Return the place of an array times a factor, which is computed in a step before."""
    product = builder.new(array.shape, array.dtype, array.strides)
    name = f"{operation.name}.scale"
    builder.expression(name, PRODUCTS[0], product, {"input": array, "residual": factor})
    return product


def _planned(
    builder: Builder, problem: Problem, layout: Layout, epilogue: Epilogue, weight: Tensor
) -> tuple[Candidate, Plan, Tensor]:
    """Return the fastest kernel that takes the weight, its plan, and the weight as it reads it."""
    weight, found = weight.detach(), _fastest(builder, problem, layout.name, weight)
    plan = kernel_named(found.name).plan(problem, layout, epilogue, is_frozen=True)
    packed = weight.contiguous() if plan.pack is None else plan.pack(weight)
    if packed is None:
        raise UnsupportedError(f"{found.name} refuses its weight", request=str(problem))
    if packed.data_ptr() == weight.data_ptr():  # the user's, who may change it
        packed = packed.clone()
    return found, plan, packed


def _fastest(builder: Builder, problem: Problem, layout: str, weight: Tensor) -> Candidate:
    """Return the kernel that is predicted to be the fastest of those that take a weight."""
    is_exact = builder.accuracy in ("strict", "default") and is_whole(weight.detach())
    is_plain = is_exact or builder.is_compact  # Winograd's weights are larger
    return fastest_kernel(problem, builder.accuracy, layout, is_plain=is_plain)
