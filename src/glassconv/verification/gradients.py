"""Verify gradients: each is compared with its definition in float64, within its proven bound.

Both gradients of a convolution are convolutions (`problem/gradients.py`), and so is the bias's:

    input's    the transposed convolution of the output's gradient and the weight
    weight's   the convolution of the input with the output's gradient as its kernel
    bias's     the convolution of the output's gradient with a kernel of ones, as large as a plane

So the definition and the bounds of convolutions judge them. The weight's has kernels of its own,
which `glassconv.kernels.weight_gradients` lists; they compute the bias's, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.dispatch.compiled_call import in_layout
from glassconv.dispatch.pytorch_gradients import pytorch_gradients
from glassconv.dispatch.select import AUTO, choose
from glassconv.dispatch.weight_gradient_call import settings_of
from glassconv.errors import UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.gradients import WeightGradient, convolution_of, transpose_of
from glassconv.problem.memory_layout import NCHW
from glassconv.problem.operands import Operands, random_grad_output, random_operands, to_numpy
from glassconv.problem.problem import Problem, as_problem
from glassconv.reports.array import Array
from glassconv.reports.error_bound import ErrorBound, sum_of_products_bound
from glassconv.reports.gradient_verification import GradientVerification
from glassconv.reports.verification import Verification
from glassconv.verification.definition import definition
from glassconv.verification.verify import (
    COMPILED,
    MOST_EMULATED,
    judge,
    verification_targets,
    verify_each,
)

INPUT, WEIGHT, BIAS = "input", "weight", "bias"
PYTORCH = "pytorch"  # its gradients, as `convolution_backward` computes them


def verify_gradients(problem: str | Problem, *, seed: int = 0) -> GradientVerification:
    """Compare the gradients of input, weight and bias with their definitions in float64.

    Each is computed by every algorithm and every kernel that can, from random operands and a random
    gradient of the output, and by PyTorch; each element must be within the bound of what computed
    it.

    problem: an object, or shorthand. A transposed one's gradients are verified like a
    convolution's.

    Raises `UnsupportedError` for an empty batch, and for a transposed convolution whose input's
    gradient is no convolution.

    >>> verify_gradients("2x3x8x8 4@3x3 p1").verdict
    Verdict(ok=True, reason='every element of the gradients of input, weight and bias is within \
its bound')
    """
    problem = as_problem(problem)
    return gathered(problem, GradientTargets.of(problem).run(seed))


def gathered(
    problem: Problem, verifications: Iterable[tuple[str, Verification]]
) -> GradientVerification:
    """Return the report of verifications with the names of their gradients."""
    found: dict[str, list[Verification]] = {INPUT: [], WEIGHT: [], BIAS: []}
    for name, verification in verifications:
        found[name].append(verification)
    return GradientVerification(problem, *map(tuple, found.values()))


@dataclass(frozen=True)
class GradientTargets:
    """What computes each gradient of a problem: the names of algorithms and of kernels."""

    problem: Problem
    of_input: tuple[str, ...]
    of_weight: tuple[str, ...]
    kernels: tuple[str, ...]  # of the weight's gradient

    @classmethod
    def of(cls, problem: Problem) -> GradientTargets:
        """Return everything that can compute the gradients of a problem."""
        if not problem.batch:
            cause = "an empty batch has no gradients to compare"
            raise UnsupportedError(cause, request=str(problem))
        # The code generator is imported when it is needed, not with the package.
        from glassconv.kernels.weight_gradients import supporting

        convolution = convolution_of(problem)
        of_input, of_weight = transpose_of(problem), WeightGradient(convolution).convolution
        return cls(
            problem,
            tuple(verification_targets(of_input, _able(of_input))),
            tuple(name for name in _able(of_weight) if not _emulates(name, of_weight)),
            tuple(each.name for each in supporting(convolution, NCHW)),
        )

    def __len__(self) -> int:
        """Return the number of verifications."""
        of_weights = len(self.of_weight) + 1 + len(self.kernels)
        of_biases = (1 + len(self.kernels)) * self.problem.bias
        return len(self.of_input) + 1 + of_weights + of_biases

    def run(self, seed: int) -> Iterator[tuple[str, Verification]]:
        """Yield the name of a gradient and a verification of it, for each that computes it."""
        operands = random_operands(self.problem, seed)
        gradients = Gradients(self.problem, operands, random_grad_output(self.problem, seed))
        for each in verify_each(gradients.transpose, self.of_input, gradients.of_transpose):
            yield INPUT, each
        theirs = gradients.by_pytorch()
        yield INPUT, gradients.judge_input(PYTORCH, theirs[0])
        convolution = gradients.of_weight.convolution
        for each in verify_each(convolution, self.of_weight, gradients.of_convolution):
            yield WEIGHT, each
        yield WEIGHT, gradients.judge_weight(PYTORCH, theirs[1])
        computed = {PYTORCH: theirs[2]} if self.problem.bias else {}
        for name in self.kernels:
            weight, computed[name + COMPILED] = gradients.by_kernel(name)
            yield WEIGHT, gradients.judge_weight(name + COMPILED, weight)
        if self.problem.bias:
            for name, bias in computed.items():
                yield BIAS, gradients.judge_bias(name, bias)


def _able(problem: Problem) -> list[str]:
    """Return the algorithms that can compute a problem in this machine's memory."""
    return [each.name for each in choose(problem, AUTO, "any").candidates if each.verdict]


def _emulates(name: str, problem: Problem) -> bool:
    """Return whether an algorithm emulates so many multiply-adds that it takes minutes."""
    return named(name).published_order and problem.macs > MOST_EMULATED


class Gradients:
    """The gradients of one call: how they are computed, and how they are judged."""

    def __init__(self, problem: Problem, operands: Operands, grad: Tensor) -> None:
        self.problem, self.operands, self.grad = problem, operands, grad
        self.transpose = transpose_of(problem)
        self.of_transpose = Operands(grad, operands.weight, None)
        self.of_weight = WeightGradient(convolution_of(problem))
        read, kernel = operands.input, grad
        if not isinstance(problem, ConvProblem):  # the convolution reads the output's gradient
            read, kernel = grad, read
        self.read, self.kernel = read, kernel
        self.of_convolution = self.of_weight.operands(read, kernel)

    def by_pytorch(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return PyTorch's gradients of input, weight and bias."""
        of_input, of_weight, of_bias = pytorch_gradients(
            self.grad,
            self.operands.input,
            self.operands.weight,
            settings_of(self.problem, "default"),
            (True, True, self.problem.bias),
        )
        assert of_input is not None, "it is asked for"
        assert of_weight is not None, "it is asked for"
        return of_input, of_weight, of_bias

    def by_kernel(self, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias by a kernel of the weight's gradient.

        Of a transposed convolution it does not compute the bias's, which PyTorch sums.
        """
        from glassconv.kernels.weight_gradients import KERNELS

        problem = self.of_weight.problem
        read, kernel = (in_layout(each, NCHW) for each in (self.read, self.kernel))
        is_own = problem is self.problem
        weight, bias = KERNELS[name].plan(problem, NCHW)(
            read, kernel, with_bias=self.problem.bias and is_own
        )
        if self.problem.bias and not is_own:
            bias = self.grad.sum([0, *range(2, self.grad.dim())])
        return weight, bias

    def judge_input(self, name: str, computed: Tensor) -> Verification:
        """Compare an input's gradient with the definition."""
        bound = _bound(self.transpose, name)
        return judge(self.transpose, name, to_numpy(computed), self.of_transpose, bound)

    def judge_weight(self, name: str, computed: Tensor) -> Verification:
        """Compare a weight's gradient with the definition, by the bound of a kernel or PyTorch.

        The convolution that equals it has more outputs where windows leave pixels over. No weight
        is there, and the definition's own numbers are taken.
        """
        from glassconv.kernels.weight_gradients import KERNELS

        convolution, kernel = self.of_weight.convolution, name.removesuffix(COMPILED)
        if name.endswith(COMPILED):
            bound = KERNELS[kernel].error_bound(self.of_weight.problem)
        else:
            bound = _bound(convolution, name)
        output: Array = to_numpy(computed)
        if convolution.output_shape != output.swapaxes(0, 1).shape:
            weights, output = output, definition(convolution, self.of_convolution).output
            self.of_weight.cut(torch.from_numpy(output)).copy_(torch.from_numpy(weights))
        else:
            output = output.swapaxes(0, 1)
        return judge(convolution, name, output, self.of_convolution, bound)

    def judge_bias(self, name: str, computed: Tensor | None) -> Verification:
        """Compare a bias's gradient with the definition: products with ones, which are exact."""
        assert computed is not None, "it is asked for"
        problem = self.problem
        convolution = ConvProblem(
            batch=problem.out_channels,
            in_channels=problem.batch,
            out_channels=1,
            input_size=problem.output_size,
            kernel_size=problem.output_size,
            stride=(1,) * problem.ndim,
            padding=((0, 0),) * problem.ndim,
            dilation=(1,) * problem.ndim,
            groups=1,
            bias=False,
            dtype=problem.dtype,
        )
        ones = torch.ones(convolution.weight_shape, dtype=self.grad.dtype)
        operands = Operands(self.grad.transpose(0, 1).contiguous(), ones, None)
        bound = sum_of_products_bound(convolution.taps_per_output, problem.format)
        if name == PYTORCH:
            bound = _bound(convolution, name)
        output = to_numpy(computed).reshape(convolution.output_shape)
        return judge(convolution, name, output, operands, bound)


def _bound(problem: Problem, name: str) -> ErrorBound:
    """Return the bound of an algorithm or of its kernel; PyTorch's is that of `aten`."""
    algorithm = "aten" if name == PYTORCH else name.removesuffix(COMPILED)
    return named(algorithm).error_bound(problem)
