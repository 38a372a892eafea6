"""U-Net: the layers of the suite unet_256 as a network.

Olaf Ronneberger, Philipp Fischer, Thomas Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation" (2015), with padding 1, so that the output is as large as the input, and an input of
three channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = (64, 128, 256, 512, 1024)  # at 256², 128², 64², 32², 16²
CLASSES = 2


def _double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """A U-Net from `[batch, 3, height, width]` to `[batch, 2, height, width]`.

    Height and width must be multiples of 16.

    >>> UNet()(torch.zeros(1, 3, 32, 16)).shape
    torch.Size([1, 2, 32, 16])
    """

    default_cfg = {"input_size": (3, 256, 256)}  # noqa: RUF012  # where timm's networks say it

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _double_convolution(before, after)
            for before, after in zip((3, *CHANNELS), CHANNELS, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        rising = [*zip(CHANNELS[:0:-1], CHANNELS[-2::-1], strict=True)]
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(below, level, 2, stride=2) for below, level in rising
        )
        self.up = nn.ModuleList(_double_convolution(2 * level, level) for _, level in rising)
        self.classify = nn.Conv2d(CHANNELS[0], CLASSES, 1)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        """Return the scores of both classes for each pixel."""
        output = self.down[0](input)
        skipped = []
        for block in self.down[1:]:
            skipped.append(output)
            output = block(self.pool(output))
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            output = block(torch.cat([skipped.pop(), enlarge(output)], 1))
        scores: Tensor = self.classify(output)
        return scores
