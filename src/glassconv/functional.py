"""Convolution and its transpose, with PyTorch's arguments, for NumPy arrays and tensors alike."""

from __future__ import annotations

from glassconv.dispatch.array_boundary import A
from glassconv.dispatch.dispatch import convolve
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
    """Convolve pictures with filters, as `torch.nn.functional.conv2d` does.

    input: [batch, in_channels, height, width], or without the batch axis for one picture.
    weight: [out_channels, in_channels / groups, kernel_h, kernel_w].
    bias: [out_channels].
    stride, dilation: one size, or (vertical, horizontal).
    padding: likewise, or ((top, bottom), (left, right)), 'same' or 'valid'.
    algorithm: "auto", or a name that `glassconv algorithms` lists; a name runs or raises.
    accuracy: "strict", "default", "fast" or "any": how much less accurate than PyTorch's own an
        algorithm may be.
    activation: "relu", "relu6", "hardswish" or "silu", applied to the output.
    residual: [batch, out_channels, out_h, out_w], added before that. Kernels do both while the
        outputs are near.

    Returns [batch, out_channels, out_h, out_w], of the kind it was given: NumPy arrays in, an array
    out; tensors in, a tensor out, which can be differentiated. Raises `ShapeError`,
    `ArgumentError`, `ArgumentTypeError` or `DtypeError` (each of PyTorch's own class for the same
    mistake), `UnsupportedError` if the named algorithm cannot, `UnknownNameError` if there is none.

    Source: K. Fukushima, Neocognitron, 1980; Y. LeCun et al., Backpropagation applied to
    handwritten zip code recognition, 1989.

    >>> import numpy as np
    >>> picture = np.arange(16.0).reshape(1, 4, 4)
    >>> edges = np.array([[[[-1.0, 1.0]]]])
    >>> conv2d(picture, edges, algorithm="im2col")
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
    """Convolve sequences with filters: `conv2d` with one spatial axis.

    input: [batch, in_channels, length] or [in_channels, length].
    weight: [out_channels, in_channels / groups, kernel].
    Returns [batch, out_channels, out_length]. Arguments and errors as for `conv2d`.

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
    """Convolve volumes with filters: `conv2d` with three spatial axes.

    input: [batch, in_channels, depth, height, width], or without the batch axis.
    weight: [out_channels, in_channels / groups, kernel_d, kernel_h, kernel_w].
    Returns [batch, out_channels, out_d, out_h, out_w]. Arguments and errors as for `conv2d`.

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
    """Transposed convolution, as `torch.nn.functional.conv_transpose2d` does it.

    It is computed as the convolution it equals, of the input stuffed with zeros
    (`problem/transposed.py`), so every algorithm that supports that convolution can be named.

    input: [batch, in_channels, height, width], or without the batch axis for one picture.
    weight: [in_channels, out_channels / groups, kernel_h, kernel_w].
    padding: how much of the full result is cut off on both sides of an axis.
    output_padding: how much is added after it; it tells apart the input sizes that a strided
        convolution maps to one output size.

    Returns [batch, out_channels, out_h, out_w]. Errors as for `conv2d`.

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
    """Transposed convolution of sequences: `conv_transpose2d` with one spatial axis.

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
    """Transposed convolution of volumes: `conv_transpose2d` with three spatial axes.

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 1, 1, 1)), np.ones((1, 1, 2, 2, 1))).shape
    (1, 2, 2, 1)
    """
    arguments = Arguments(
        3, True, stride, padding, dilation, groups, output_padding, algorithm, accuracy, activation
    )
    return convolve(input, weight, bias, residual, arguments)
