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
from glassconv.networks.plan.places import Place, dense_strides
from glassconv.networks.plan.rules.pairs import add_pair, pair_with
from glassconv.problem.activations import Epilogue
from glassconv.problem.arguments import problem_of
from glassconv.problem.memory_layout import NHWC, Layout, layout_named
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
    found = read(operation)
    weight, problem = builder.network.tensors[found.weight.number], found.problem
    if isinstance(problem, TransposedProblem) and problem.stride == (1,) * problem.ndim:
        problem, weight = problem.convolution, flip(weight, problem.groups)
    given = builder.in_layout(builder.place(found.input), builder.layout)
    shape, strides = given.shape, given.strides
    if len(shape) == problem.ndim + 1:  # without a batch axis
        shape, strides = (1, *shape), (0, *strides)
    layout = layout_named(builder.layout, shape, strides)
    assert layout is not None, "an array in this layout"
    output_strides = builder.strides((1, *found.output.shape)[-problem.ndim - 2 :])
    return _add(
        builder, operation, problem, layout, given, weight, output_strides[-len(given.shape) :]
    )


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
    strides = dense_strides(operation.outputs[0].shape, channels_last=False)
    return _add(builder, operation, problem, layout, given, weight[:, :, None, None], strides)


def _add(
    builder: Builder,
    operation: Operation,
    problem: Problem,
    layout: Layout,
    given: Place,
    weight: Tensor,
    output_strides: tuple[int, ...],
) -> str | None:
    """Add the kernel of a problem, or return why no kernel computes it."""
    arguments = operation.arguments
    bias = builder.network.constant(arguments["bias"])
    residual = arguments.get("residual")
    epilogue = Epilogue(arguments.get("activation"), residual is not None)
    try:
        candidate, plan, packed = _planned(builder, problem, layout, epilogue, weight)
    except UnsupportedError as error:
        return error.cause
    output = builder.output(operation.outputs[0], output_strides)
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
    weight = weight.detach()
    is_exact = builder.accuracy in ("strict", "default") and is_whole(weight)
    is_plain = is_exact or builder.is_compact  # Winograd's weights are larger
    found = fastest_kernel(problem, builder.accuracy, layout.name, is_plain=is_plain)
    plan = kernel_named(found.name).plan(problem, layout, epilogue, is_frozen=True)
    packed = weight.contiguous() if plan.pack is None else plan.pack(weight)
    if packed is None:
        raise UnsupportedError(f"{found.name} refuses its weight", request=str(problem))
    if packed.data_ptr() == weight.data_ptr():  # the user's, who may change it
        packed = packed.clone()
    return found, plan, packed
