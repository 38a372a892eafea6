"""CompiledCall: a callable for one combination of shapes, strides, dtypes and arguments.

A kernel's plan is one. The other classes wrap a plan, or PyTorch's convolution, and add what it
lacks: an activation that PyTorch applies, a conversion of memory layout, zeros inserted for a
transposed convolution, a missing batch axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from torch import Tensor

from glassconv.algorithms import Algorithm, Call, named
from glassconv.dispatch.whole_numbers import LateCall, RefuseWholeNumbers
from glassconv.problem.activations import Epilogue
from glassconv.problem.memory_layout import NCHW, NHWC, Layout, contiguous
from glassconv.problem.operands import is_finite
from glassconv.problem.problem import Problem
from glassconv.problem.transposed import EVERY, TransposedProblem, flip

if TYPE_CHECKING:
    from glassconv.kernels import Kernel
    from glassconv.kernels.runtime.packed_weights import DivisiblePacking, Packing
    from glassconv.kernels.runtime.plan import Plan


class CompiledCall(Protocol):
    """Input, weight, bias and residual to the output; shapes and dtypes as it was compiled for."""

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output."""


@dataclass(frozen=True)
class AlgorithmCall:
    """A call of PyTorch's convolution or of an algorithm's steps; PyTorch applies the epilogue."""

    name: str
    compute: Call
    epilogue: Epilogue

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output."""
        return self.epilogue.applied(self.compute(input, weight, bias), residual)


def algorithm_call(algorithm: Algorithm, problem: Problem, epilogue: Epilogue) -> AlgorithmCall:
    """Return the call of an algorithm: compiled for the problem, or its steps run to the end."""
    if algorithm.compile_for is not None:
        compute = algorithm.compile_for(problem)
    else:
        compute = partial(algorithm.run, problem)
    return AlgorithmCall(algorithm.name, compute, epilogue)


def kernel_call(
    kernel: Kernel,
    problem: Problem,
    layout: Layout | None,
    name: str,
    epilogue: Epilogue,
    whole: LateCall | None = None,
) -> CompiledCall:
    """Return the call of a kernel for inputs in this memory layout.

    layout: None for an input that is not in the layout of this name, which is the output's; it is
    copied into it first. whole: the call for weights of whole numbers; None if the kernel takes
    them.
    """
    if isinstance(problem, TransposedProblem) and not kernel.transposed:
        return _transposed_call(kernel, problem, name, epilogue, whole)
    plan = kernel.plan(problem, layout or contiguous(problem, name), epilogue)
    if isinstance(problem, TransposedProblem):
        plan = replace(plan, otherwise=algorithm_call(named("aten"), problem, epilogue))
    elif whole is not None and plan.pack is not None:
        plan = replace(plan, pack=RefuseWholeNumbers(plan.pack), otherwise=whole)
    if layout is not None and not epilogue.residual:
        return plan
    return ConvertedCall(plan, convert_input=layout is None)


@dataclass(frozen=True)
class ConvertedCall:
    """A kernel whose input or residual is copied into the kernel's layout."""

    plan: Plan
    convert_input: bool

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output, in the plan's memory layout."""
        if residual is not None:
            residual = self.plan.to_layout(residual)
        if self.convert_input:
            input = in_layout(input, self.plan.layout.name)
        return self.plan(input, weight, bias, residual)


def in_layout(input: Tensor, name: str) -> Tensor:
    """Return [batch, channels, *size] as a contiguous copy with channels first or last."""
    if name == NCHW:
        return input.contiguous()
    return input.movedim(1, -1).contiguous().movedim(-1, 1)


@dataclass(frozen=True)
class TransposedCall:
    """A transposed convolution, computed by a kernel of the convolution it equals."""

    problem: TransposedProblem
    plan: Plan

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output, in the plan's memory layout."""
        layout = self.plan.layout.name
        if residual is not None:
            residual = self.plan.to_layout(residual)
        if max(self.problem.stride) == 1:
            input = in_layout(input, layout)
        else:
            input = self.problem.insert_zeros(input, channels_last=layout == NHWC)
        return self.plan(input, weight, bias, residual)


def _transposed_call(
    kernel: Kernel,
    problem: TransposedProblem,
    name: str,
    epilogue: Epilogue,
    whole: LateCall | None,
) -> TransposedCall:
    # The code generator is imported when it is needed, not with the package.
    from glassconv.kernels.runtime.filter_rows import FlippedRows

    plan = kernel.plan(problem.convolution, contiguous(problem.convolution, name), epilogue)
    pack, reads_flipped = plan.pack, True
    if pack is None:
        target = plan.kernel.target
        pack = FlippedRows(problem.groups, plan.packed_elements, problem.dtype, target)
    elif isinstance(pack, FlippedPacking):
        pack = pack.flipped()
    else:
        reads_flipped = False
    if whole is not None and plan.pack is not None:
        pack = RefuseWholeNumbers(pack)
    meets_zeros = max(problem.stride) > 1 or any(map(any, problem.convolution.padding))
    otherwise = kernel.name if named(kernel.name).published_order else "aten"
    plan = replace(
        plan,
        pack=FlipAndPack(problem.groups, pack, reads_flipped, meets_zeros),
        otherwise=WithoutZeros(problem, algorithm_call(named(otherwise), problem, epilogue)),
    )
    return TransposedCall(problem, plan)


@dataclass(frozen=True)
class WithoutZeros:
    """The call for a weight that must not meet zeros, of the input without them."""

    problem: TransposedProblem
    call: AlgorithmCall

    def __call__(
        self, zeros_inserted: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output."""
        strides = tuple(slice(None, None, stride) for stride in self.problem.stride)
        if residual is not None:
            residual = residual.reshape(self.problem.output_shape)
        return self.call(zeros_inserted[EVERY + strides], weight, bias, residual)


@runtime_checkable
class FlippedPacking(Protocol):
    """A packing that can read a transposed convolution's weight as the filters that it needs."""

    def flipped(self) -> Packing:
        """Return the packing of such a weight."""


@dataclass(frozen=True)
class FlipAndPack:
    """The packing of a transposed convolution's weight: flipped, then packed for the kernel."""

    groups: int
    pack: Packing
    reads_flipped: bool  # whether `pack` flips the weight as it reads it
    meets_zeros: bool  # whether the kernel multiplies it by inserted zeros or padding

    def __call__(self, weight: Tensor, memory: Tensor | None = None) -> Tensor | None:
        """Return the weight as the kernel of the equal convolution reads it.

        A weight that is not finite is refused where the kernel would multiply zeros by it.
        """
        if self.meets_zeros and not is_finite(weight):
            return None
        flipped = weight if self.reads_flipped else flip(weight, self.groups)
        return self.pack(flipped, memory)

    @property
    def elements(self) -> int:
        """Return how many elements the packed weight has."""
        return self.pack.elements

    def of_filters(self, count: int) -> FlipAndPack:
        """Return the packing of so many filters, of a weight in one group."""
        return replace(self, pack=cast("DivisiblePacking", self.pack).of_filters(count))

    def filters(self, weight: Tensor, chosen: slice) -> Tensor:
        """Return some filters, which are along the second axis of a transposed weight."""
        return weight[:, chosen]


@dataclass(frozen=True)
class UnbatchedCall:
    """A call for one image without its batch axis."""

    batched: CompiledCall

    def __call__(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Return the output, without a batch axis either."""
        residual = None if residual is None else residual[None]
        return self.batched(input[None], weight, bias, residual)[0]
