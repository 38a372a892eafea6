"""Layers that apply a convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, dtype, nn
from torch.nn.common_types import _size_1_t, _size_2_t, _size_3_t
from torch.types import Device

from glassconv.dispatch.select import AUTO
from glassconv.functional import conv1d, conv2d, conv3d
from glassconv.nn.layer import Layer, PaddingMode, checked, options_of, set_options


class Convolution(Layer):
    """What the layers of one, two and three spatial dimensions share."""

    _function: ClassVar[Callable[..., Tensor]]

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve with this weight and bias; PyTorch's `forward` calls it with the layer's own."""
        padding: str | tuple[int, ...] | int = self.padding
        if self.padding_mode != "zeros":
            sides = self._reversed_padding_repeated_twice
            input, padding = F.pad(input, sides, mode=self.padding_mode), 0
        return self._function(
            input,
            weight,
            bias,
            self.stride,
            padding,
            self.dilation,
            self.groups,
            **options_of(self),
        )


class Conv1d(Convolution, nn.Conv1d):
    """A layer that applies a 1-D convolution: `torch.nn.Conv1d`, computed by `glassconv.conv1d`.

    It maps [batch, in_channels, length], or the same without a batch, to
    [batch, out_channels, output_length]. Arguments and errors as for `Conv2d`.

    >>> import torch
    >>> Conv1d(2, 4, 3, padding="same", padding_mode="circular")(torch.ones(2, 8)).shape
    torch.Size([4, 8])
    """

    _function = staticmethod(conv1d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_1_t,
        stride: _size_1_t = 1,
        padding: _size_1_t | str = 0,
        dilation: _size_1_t = 1,
        groups: int = 1,
        bias: bool = True,
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
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        set_options(self, checked(algorithm, accuracy, activation))


class Conv2d(Convolution, nn.Conv2d):
    """A layer that applies a 2-D convolution: `torch.nn.Conv2d`, computed by `glassconv.conv2d`.

    Arguments, attributes, initial weights and state dict are those of `torch.nn.Conv2d`, of which
    it is a subclass. It maps [batch, in_channels, height, width], or the same without a batch, to
    [batch, out_channels, output_height, output_width].

    algorithm, accuracy, activation: as for `glassconv.conv2d`; they are attributes, too. Raises
        `UnknownNameError` for an unknown name, and for other arguments what PyTorch raises.

    >>> import torch
    >>> layer = Conv2d(3, 8, 3, padding=1, activation="relu")
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), activation=relu)
    >>> layer(torch.ones(1, 3, 9, 9)).shape
    torch.Size([1, 8, 9, 9])
    """

    _function = staticmethod(conv2d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_2_t,
        stride: _size_2_t = 1,
        padding: _size_2_t | str = 0,
        dilation: _size_2_t = 1,
        groups: int = 1,
        bias: bool = True,
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
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        set_options(self, checked(algorithm, accuracy, activation))


class Conv3d(Convolution, nn.Conv3d):
    """A layer that applies a 3-D convolution: `torch.nn.Conv3d`, computed by `glassconv.conv3d`.

    It maps [batch, in_channels, depth, height, width], or the same without a batch, to
    [batch, out_channels, output_depth, output_height, output_width]. Arguments and errors as for
    `Conv2d`.

    >>> import torch
    >>> Conv3d(2, 4, (1, 3, 3))(torch.ones(1, 2, 4, 5, 5)).shape
    torch.Size([1, 4, 4, 3, 3])
    """

    _function = staticmethod(conv3d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_3_t,
        stride: _size_3_t = 1,
        padding: _size_3_t | str = 0,
        dilation: _size_3_t = 1,
        groups: int = 1,
        bias: bool = True,
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
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        set_options(self, checked(algorithm, accuracy, activation))
