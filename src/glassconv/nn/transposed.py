"""Layers that apply a transposed convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, dtype, nn
from torch.nn.common_types import _size_1_t, _size_2_t, _size_3_t
from torch.nn.modules.conv import _ConvTransposeNd
from torch.types import Device

from glassconv.dispatch.select import AUTO
from glassconv.functional import conv_transpose1d, conv_transpose2d, conv_transpose3d
from glassconv.nn.layer import Layer, PaddingMode, checked, options_of, set_options


class TransposedConvolution(Layer, _ConvTransposeNd):
    """What the layers of one, two and three spatial dimensions share."""

    _function: ClassVar[Callable[..., Tensor]]

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Apply the transposed convolution; output_size: [*size], or with batch and channels."""
        if self.padding_mode != "zeros":
            raise ValueError(f'only "zeros" padding mode is supported for {type(self).__name__}')
        ndim = len(self.kernel_size)
        sizes: list[Any] = [self.stride, self.padding, self.kernel_size, ndim, self.dilation]
        return self._function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            tuple(self._output_padding(input, output_size, *sizes)),
            self.groups,
            self.dilation,
            **options_of(self),
        )


class ConvTranspose1d(TransposedConvolution, nn.ConvTranspose1d):
    """A layer that applies a 1-D transposed convolution, by `glassconv.conv_transpose1d`.

    It maps [batch, in_channels, length], or the same without a batch, to
    [batch, out_channels, output_length]. Arguments and errors as for `ConvTranspose2d`.

    >>> import torch
    >>> ConvTranspose1d(4, 2, 4, stride=2, padding=1)(torch.ones(1, 4, 8)).shape
    torch.Size([1, 2, 16])
    """

    _function = staticmethod(conv_transpose1d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_1_t,
        stride: _size_1_t = 1,
        padding: _size_1_t = 0,
        output_padding: _size_1_t = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _size_1_t = 1,
        padding_mode: PaddingMode = "zeros",
        device: Device = None,
        dtype: dtype | None = None,
        *,
        algorithm: str = AUTO,
        accuracy: str = "default",
        activation: str | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        set_options(self, checked(algorithm, accuracy, activation))


class ConvTranspose2d(TransposedConvolution, nn.ConvTranspose2d):
    """A layer that applies a 2-D transposed convolution, by `glassconv.conv_transpose2d`.

    Arguments, attributes, initial weights and state dict are those of `torch.nn.ConvTranspose2d`,
    of which it is a subclass. It maps [batch, in_channels, height, width], or the same without a
    batch, to [batch, out_channels, output_height, output_width]. Called with an `output_size`, it
    chooses the output padding that gives this size, and raises `ValueError` if none does.

    algorithm, accuracy, activation: as for `glassconv.conv2d`; they are attributes, too. Raises
        `UnknownNameError` for an unknown name, and for other arguments what PyTorch raises.

    >>> import torch
    >>> layer = ConvTranspose2d(3, 8, 3, stride=2)
    >>> layer(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 8, 9, 9])
    >>> layer(torch.ones(1, 3, 4, 4), output_size=[10, 10]).shape
    torch.Size([1, 8, 10, 10])
    """

    _function = staticmethod(conv_transpose2d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_2_t,
        stride: _size_2_t = 1,
        padding: _size_2_t = 0,
        output_padding: _size_2_t = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _size_2_t = 1,
        padding_mode: PaddingMode = "zeros",
        device: Device = None,
        dtype: dtype | None = None,
        *,
        algorithm: str = AUTO,
        accuracy: str = "default",
        activation: str | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        set_options(self, checked(algorithm, accuracy, activation))


class ConvTranspose3d(TransposedConvolution, nn.ConvTranspose3d):
    """A layer that applies a 3-D transposed convolution, by `glassconv.conv_transpose3d`.

    It maps [batch, in_channels, depth, height, width], or the same without a batch, to
    [batch, out_channels, output_depth, output_height, output_width]. Arguments and errors as for
    `ConvTranspose2d`.

    >>> import torch
    >>> ConvTranspose3d(4, 2, 2, stride=2)(torch.ones(1, 4, 2, 3, 3)).shape
    torch.Size([1, 2, 4, 6, 6])
    """

    _function = staticmethod(conv_transpose3d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_3_t,
        stride: _size_3_t = 1,
        padding: _size_3_t = 0,
        output_padding: _size_3_t = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _size_3_t = 1,
        padding_mode: PaddingMode = "zeros",
        device: Device = None,
        dtype: dtype | None = None,
        *,
        algorithm: str = AUTO,
        accuracy: str = "default",
        activation: str | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        set_options(self, checked(algorithm, accuracy, activation))
