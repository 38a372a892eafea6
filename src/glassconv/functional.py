"""Convolution and transposed convolution with PyTorch's arguments, for NumPy arrays and tensors."""

from __future__ import annotations

from glassconv.dispatch.array_boundary import A
from glassconv.dispatch.dispatch import convolve
from glassconv.dispatch.fx_nodes import FUNCTIONS
from glassconv.dispatch.select import AUTO
from glassconv.problem.arguments import Padding, Size
from glassconv.problem.problem import Arguments


def conv2d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
    activation: str | None = None,
    residual: A | None = None,
) -> A:
    """Apply a 2-D convolution, as `torch.nn.functional.conv2d` does.

    input: [batch, in_channels, height, width], or [in_channels, height, width] without a batch.
    weight: [out_channels, in_channels / groups, kernel_height, kernel_width].
    bias: [out_channels].
    stride, dilation: an int or (height, width), in input elements.
    padding: an int, (height, width), ((top, bottom), (left, right)), 'same' or 'valid'.
    groups: an int that divides in_channels and out_channels.
    algorithm: "auto", or a name that `glassconv algorithms` lists.
    accuracy: the rms error that an algorithm may have, as a multiple of PyTorch's: "strict" 1,
        "default" 5, "fast" 20, "any" without limit. In "strict" and "default" each output's error
        is bounded by the numbers of its own window, and whole numbers give whole numbers. "strict"
        also sums in one published order: the same bits on every machine (docs/reproducible.md).
    activation: "relu", "relu6", "hardswish", "sigmoid", "silu" or "gelu", applied after the
        residual is added.
    residual: [batch, out_channels, output_height, output_width], added to the output. Compiled
        kernels fuse both: they are applied while the output tile is in registers or cache.

    Returns [batch, out_channels, output_height, output_width], a NumPy array for NumPy arrays and a
    tensor for tensors. Tensors support autograd.

    Raises `ShapeError`, `ArgumentError`, `ArgumentTypeError` or `DtypeError`, each a subclass of
    what PyTorch raises for the same mistake; `UnsupportedError` where the named algorithm does not
    support the problem, and `UnknownNameError` for an unknown name.

    Sources: K. Fukushima, Neocognitron, 1980; Y. LeCun et al., Backpropagation applied to
    handwritten zip code recognition, 1989.

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> edges = np.array([[[[-1.0, 1.0]]]])
    >>> conv2d(x, edges, algorithm="im2col")
    array([[[1., 1., 1.],
            [1., 1., 1.],
            [1., 1., 1.],
            [1., 1., 1.]]])
    """
    arguments = Arguments(
        2, False, stride, padding, dilation, groups, 0, algorithm, accuracy, activation
    )
    return convolve(input, weight, bias, residual, arguments)


def conv1d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
    activation: str | None = None,
    residual: A | None = None,
) -> A:
    """Apply a 1-D convolution, as `torch.nn.functional.conv1d` does.

    input: [batch, in_channels, length] or [in_channels, length].
    weight: [out_channels, in_channels / groups, kernel_size].
    Returns [batch, out_channels, output_length]. Other arguments and errors as for `conv2d`.

    >>> import numpy as np
    >>> conv1d(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[1.0, 1.0]]]))
    array([[ 3.,  6., 12.]])
    """
    arguments = Arguments(
        1, False, stride, padding, dilation, groups, 0, algorithm, accuracy, activation
    )
    return convolve(input, weight, bias, residual, arguments)


def conv3d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
    activation: str | None = None,
    residual: A | None = None,
) -> A:
    """Apply a 3-D convolution, as `torch.nn.functional.conv3d` does.

    input: [batch, in_channels, depth, height, width], or without the batch axis.
    weight: [out_channels, in_channels / groups, kernel_depth, kernel_height, kernel_width].
    Returns [batch, out_channels, output_depth, output_height, output_width]. Other arguments and
    errors as for `conv2d`.

    >>> import numpy as np
    >>> conv3d(np.ones((1, 2, 2, 2)), np.ones((1, 1, 2, 2, 2)))
    array([[[[8.]]]])
    """
    arguments = Arguments(
        3, False, stride, padding, dilation, groups, 0, algorithm, accuracy, activation
    )
    return convolve(input, weight, bias, residual, arguments)


def conv_transpose2d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
    activation: str | None = None,
    residual: A | None = None,
) -> A:
    """Apply a 2-D transposed convolution, as `torch.nn.functional.conv_transpose2d` does.

    An algorithm that is written for convolutions computes the convolution it equals, of the input
    with zeros inserted (`problem/transposed.py`).

    input: [batch, in_channels, height, width], or [in_channels, height, width] without a batch.
    weight: [in_channels, out_channels / groups, kernel_height, kernel_width].
    bias: [out_channels].
    stride, dilation: an int or (height, width), in output elements.
    padding: an int or (height, width): how much of the full output is cut off at both ends.
    output_padding: an int or (height, width), added to the output size at the end. It tells apart
        the input sizes that a strided convolution maps to one output size.
    groups, algorithm, accuracy, activation, residual: as for `conv2d`.

    Returns [batch, out_channels, output_height, output_width]. Errors as for `conv2d`.

    Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> import numpy as np
    >>> conv_transpose2d(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 1, 2)), stride=2)
    array([[[1., 1., 2., 2.]]])
    """
    arguments = Arguments(
        2, True, stride, padding, dilation, groups, output_padding, algorithm, accuracy, activation
    )
    return convolve(input, weight, bias, residual, arguments)


def conv_transpose1d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
    activation: str | None = None,
    residual: A | None = None,
) -> A:
    """Apply a 1-D transposed convolution, as `torch.nn.functional.conv_transpose1d` does.

    input: [batch, in_channels, length] or [in_channels, length].
    weight: [in_channels, out_channels / groups, kernel_size].
    Returns [batch, out_channels, output_length]. Other arguments and errors as for
    `conv_transpose2d`.

    >>> import numpy as np
    >>> conv_transpose1d(np.array([[1.0, 2.0]]), np.array([[[1.0, 0.5]]]))
    array([[1. , 2.5, 1. ]])
    """
    arguments = Arguments(
        1, True, stride, padding, dilation, groups, output_padding, algorithm, accuracy, activation
    )
    return convolve(input, weight, bias, residual, arguments)


def conv_transpose3d(
    input: A,
    weight: A,
    bias: A | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    *,
    algorithm: str = AUTO,
    accuracy: str = "default",
    activation: str | None = None,
    residual: A | None = None,
) -> A:
    """Apply a 3-D transposed convolution, as `torch.nn.functional.conv_transpose3d` does.

    input: [batch, in_channels, depth, height, width], or without the batch axis.
    weight: [in_channels, out_channels / groups, kernel_depth, kernel_height, kernel_width].
    Returns [batch, out_channels, output_depth, output_height, output_width]. Other arguments and
    errors as for `conv_transpose2d`.

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 1, 1, 1)), np.ones((1, 1, 2, 2, 1))).shape
    (1, 2, 2, 1)
    """
    arguments = Arguments(
        3, True, stride, padding, dilation, groups, output_padding, algorithm, accuracy, activation
    )
    return convolve(input, weight, bias, residual, arguments)


for function in (conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d):
    FUNCTIONS[function.__name__] = function
