"""Lazy layers: the number of input channels is that of the first input."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _LazyConvXdMixin

from glassconv.dispatch.select import AUTO
from glassconv.nn.convolution import Conv1d, Conv2d, Conv3d
from glassconv.nn.layer import Layer, checked, set_options
from glassconv.nn.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d


class Lazy(_LazyConvXdMixin, Layer):  # type: ignore[misc]  # as PyTorch's own lazy layers
    """What the lazy layers share: PyTorch's arguments and the options."""

    def __init__(
        self,
        *args: Any,
        algorithm: str = AUTO,
        accuracy: str = "default",
        activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        set_options(self, checked(algorithm, accuracy, activation))

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Make the parameters; where a state dict has made them, read in_channels from the weight.

        PyTorch leaves in_channels at 0 there.
        """
        super().initialize_parameters(input, *args, **kwargs)
        if self.in_channels == 0:
            of_weight = self.weight.shape[0 if self.transposed else 1]
            self.in_channels = of_weight * (1 if self.transposed else self.groups)


class LazyConv1d(Lazy, nn.LazyConv1d, Conv1d):  # type: ignore[misc]
    """A `Conv1d` that takes its in_channels from the first input; see `LazyConv2d`.

    >>> import torch
    >>> layer = LazyConv1d(8, 3)
    >>> layer(torch.ones(2, 4, 9)).shape
    torch.Size([2, 8, 7])
    >>> type(layer).__name__, layer.in_channels
    ('Conv1d', 4)
    """

    cls_to_become = Conv1d


class LazyConv2d(Lazy, nn.LazyConv2d, Conv2d):  # type: ignore[misc]
    """A `Conv2d` that takes its in_channels from the first input.

    A subclass of `torch.nn.LazyConv2d`. The first call makes the parameters, and then the layer is
    a `Conv2d`. Arguments and errors as for `Conv2d`, without in_channels.

    >>> import torch
    >>> layer = LazyConv2d(8, 3)
    >>> layer(torch.ones(2, 4, 9, 9)).shape
    torch.Size([2, 8, 7, 7])
    >>> type(layer).__name__, layer.in_channels
    ('Conv2d', 4)
    """

    cls_to_become = Conv2d


class LazyConv3d(Lazy, nn.LazyConv3d, Conv3d):  # type: ignore[misc]
    """A `Conv3d` that takes its in_channels from the first input; see `LazyConv2d`.

    >>> import torch
    >>> layer = LazyConv3d(8, 3)
    >>> layer(torch.ones(2, 4, 5, 9, 9)).shape
    torch.Size([2, 8, 3, 7, 7])
    >>> type(layer).__name__, layer.in_channels
    ('Conv3d', 4)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(Lazy, nn.LazyConvTranspose1d, ConvTranspose1d):  # type: ignore[misc]
    """A `ConvTranspose1d` that takes its in_channels from the first input; see `LazyConv2d`.

    >>> import torch
    >>> layer = LazyConvTranspose1d(8, 3)
    >>> layer(torch.ones(2, 4, 9)).shape
    torch.Size([2, 8, 11])
    >>> type(layer).__name__, layer.in_channels
    ('ConvTranspose1d', 4)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(Lazy, nn.LazyConvTranspose2d, ConvTranspose2d):  # type: ignore[misc]
    """A `ConvTranspose2d` that takes its in_channels from the first input; see `LazyConv2d`.

    >>> import torch
    >>> layer = LazyConvTranspose2d(8, 3)
    >>> layer(torch.ones(2, 4, 9, 9)).shape
    torch.Size([2, 8, 11, 11])
    >>> type(layer).__name__, layer.in_channels
    ('ConvTranspose2d', 4)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(Lazy, nn.LazyConvTranspose3d, ConvTranspose3d):  # type: ignore[misc]
    """A `ConvTranspose3d` that takes its in_channels from the first input; see `LazyConv2d`.

    >>> import torch
    >>> layer = LazyConvTranspose3d(8, 3)
    >>> layer(torch.ones(2, 4, 5, 9, 9)).shape
    torch.Size([2, 8, 7, 11, 11])
    >>> type(layer).__name__, layer.in_channels
    ('ConvTranspose3d', 4)
    """

    cls_to_become = ConvTranspose3d
