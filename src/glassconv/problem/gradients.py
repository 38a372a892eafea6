"""Both gradients of a convolution are convolutions too, each with a ConvProblem of its own.

Let y = conv(x, w) and let g be the gradient of some number with respect to y, of y's shape. Then

    ∂/∂x[b, c, i] = Σ_(f, k) w[f, c, k] · g[b, f, o]   over the o with  o · s + k · d − p = i
    ∂/∂w[f, c, k] = Σ_(b, o) g[b, f, o] · x[b, c, o · s + k · d − p]
    ∂/∂bias[f]    = Σ_(b, o) g[b, f, o]

The first sends g back where x came from: a transposed convolution. The second slides g over x as if
it were a kernel: stride and dilation have changed places, and so have channels and batch.

Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from glassconv.errors import UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands
from glassconv.problem.transposed import TransposedProblem


def input_gradient(problem: ConvProblem) -> TransposedProblem:
    """Return the transposed convolution of weight and output gradient that is the input's gradient.

    The leftover pixels that no window reads come back as its output padding.

    >>> from glassconv import parse
    >>> print(input_gradient(parse("3x8x8 4@3x3 s2")).convolution)
    1x4x5x5 3@3x3 s1 p2:3 nobias
    """
    return TransposedProblem(
        batch=problem.batch,
        in_channels=problem.out_channels,
        out_channels=problem.in_channels,
        input_size=problem.output_size,
        kernel_size=problem.kernel_size,
        stride=problem.stride,
        padding=problem.padding,
        output_padding=tuple(axis.leftover for axis in problem.axes),
        dilation=problem.dilation,
        groups=problem.groups,
        bias=False,
        dtype=problem.dtype,
    )


@dataclass(frozen=True)
class WeightGradient:
    """The weight's gradient as a convolution: of the input, with the output gradient as kernel.

    >>> from glassconv import parse
    >>> print(WeightGradient(parse("3x8x8 4@3x3 s2")).convolution)
    3x1x8x8 4@3x3 s1 p0 d2 nobias
    """

    problem: ConvProblem

    @property
    def convolution(self) -> ConvProblem:
        """Return the convolution that equals it, up to `cut`: channels are batch, batch channels.

        Raises `UnsupportedError` for an empty batch, which has nothing to sum.
        """
        problem = self.problem
        if problem.batch == 0:
            cause = "an empty batch leaves no convolution: the weight's gradient is zero"
            raise UnsupportedError(cause, request=str(problem))
        return ConvProblem(
            batch=problem.weight_shape[1],
            in_channels=problem.groups * problem.batch,
            out_channels=problem.out_channels,
            input_size=problem.input_size,
            kernel_size=problem.output_size,
            stride=problem.dilation,
            padding=problem.padding,
            dilation=problem.stride,
            groups=problem.groups,
            bias=False,
            dtype=problem.dtype,
        )

    def operands(self, input: Tensor, grad_output: Tensor) -> Operands:
        """Return what `convolution` convolves: both with batch and channels changed about."""
        problem = self.problem
        per_group = input.reshape(
            problem.batch, problem.groups, problem.weight_shape[1], *problem.input_size
        )
        channels_first = per_group.movedim(2, 0).movedim(1, 2)
        images = channels_first.reshape(self.convolution.input_shape)
        return Operands(images, grad_output.transpose(0, 1).contiguous(), None)

    def cut(self, output: Tensor) -> Tensor:
        """Return [out_channels, in_channels / groups, *kernel_size], the leftover's places off."""
        kernel = tuple(slice(size) for size in self.problem.kernel_size)
        return output[(slice(None), slice(None), *kernel)].transpose(0, 1)


def transpose_of(problem: ConvProblem | TransposedProblem) -> ConvProblem | TransposedProblem:
    """Return the problem of the input's gradient: output gradient and weight are its operands.

    Raises `UnsupportedError` for a transposed convolution whose output padding is a stride or more:
    a convolution of its output would have more outputs than it has inputs.

    >>> from glassconv.problem.transposed import parse_transposed
    >>> print(transpose_of(parse_transposed("8x4x4 3@2x2 s2 transposed")))
    1x3x8x8 8@2x2 s2 p0 nobias
    """
    if isinstance(problem, ConvProblem):
        return input_gradient(problem)
    found = ConvProblem(
        batch=problem.batch,
        in_channels=problem.out_channels,
        out_channels=problem.in_channels,
        input_size=problem.output_size,
        kernel_size=problem.kernel_size,
        stride=problem.stride,
        padding=problem.padding,
        dilation=problem.dilation,
        groups=problem.groups,
        bias=False,
        dtype=problem.dtype,
    )
    if found.output_size != problem.input_size:
        raise UnsupportedError("the output padding is a stride or more", request=str(problem))
    return found


def convolution_of(problem: ConvProblem | TransposedProblem) -> ConvProblem:
    """Return the convolution whose weight's gradient a problem's is: itself, or its transpose.

    A transposed convolution multiplies what the convolution of its transpose multiplies, with the
    output's gradient in the place of the input. Raises what `transpose_of` raises.
    """
    if isinstance(problem, ConvProblem):
        return problem
    found = transpose_of(problem)
    assert isinstance(found, ConvProblem), "the transpose of a transposed convolution is one"
    return found


def without_unreached(problem: TransposedProblem) -> TransposedProblem:
    """Return a transposed convolution without the last outputs, if no input reaches them.

    Output padding adds such outputs where it is wider than the padding after it. Raises
    `ShapeError` where no output is reached at all.

    >>> from glassconv.problem.transposed import parse_transposed
    >>> wide = parse_transposed("1x5 1@2 d3 transposed o2")
    >>> wide.output_size, without_unreached(wide).output_size
    ((10,), (8,))
    """
    pairs = zip(problem.padding, problem.output_padding, strict=True)
    padding = tuple((before, max(after - extra, 0)) for (before, after), extra in pairs)
    return replace(problem, padding=padding, output_padding=(0,) * problem.ndim)
