"""PyTorch's convolution layers, computed by glassconv; `swap` puts them into a network.

Each layer is a subclass of PyTorch's layer of the same name and behaves as it does: its parameters,
state dict, hooks, parametrizations, copies and pickles.

>>> import torch, glassconv
>>> network = torch.nn.Sequential(glassconv.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
>>> network(torch.ones(1, 3, 9, 9)).shape
torch.Size([1, 8, 7, 7])
"""

from glassconv.nn.convolution import Conv1d, Conv2d, Conv3d
from glassconv.nn.lazy import (
    LazyConv1d,
    LazyConv2d,
    LazyConv3d,
    LazyConvTranspose1d,
    LazyConvTranspose2d,
    LazyConvTranspose3d,
)
from glassconv.nn.swap import swap, unswap
from glassconv.nn.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "swap",
    "unswap",
]
