"""Random networks that are full of concatenations: nested, repeated, growing, returned, viewed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
from torch import Tensor, nn

MOST_CHANNELS = 64
Step = Callable[[list[Tensor]], Tensor]


class RandomConcatenations(nn.Module):
    """Steps on the values before them, of which some are returned."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.chance = Random(seed)
        batch, channels = self.chance.choice((1, 1, 2)), self.chance.choice((2, 3, 8, 16))
        self.example = torch.randn(batch, channels, 8, self.chance.choice((8, 12, 20)))
        self.layers = nn.ModuleList()
        self.steps: list[Step] = []
        values = [self.example]
        for _ in range(self.chance.randint(5, 14)):
            step = self._drawn(values)
            with torch.no_grad():
                values.append(step(values))
            self.steps.append(step)
        others = self.chance.sample(range(len(values) - 1), self.chance.choice((0, 0, 1, 2)))
        self.returned = [len(values) - 1, *others]
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return some of the values."""
        values = [x]
        for step in self.steps:
            values.append(step(values))
        return tuple(values[number].clone() if number == 0 else values[number]
                     for number in self.returned)  # fmt: skip

    def _drawn(self, values: list[Tensor]) -> Step:
        """Draw a step for the values that there are."""
        if self.chance.random() < 0.45:
            return self._concatenation(values)
        number = self.chance.choice((len(values) - 1, self.chance.randrange(len(values))))
        x = values[number]
        layers: list[nn.Module] = [
            self._convolution(x, 1, nn.ReLU()),
            self._convolution(x, 3, nn.Identity()),
            nn.Conv2d(x.shape[1], x.shape[1], 3, padding=1, groups=x.shape[1]),
            nn.ConvTranspose2d(x.shape[1], self.chance.choice((3, 16)), 3, padding=1),
            nn.Sequential(
                nn.ConvTranspose2d(x.shape[1], self.chance.choice((2, 8)), 2, 2), nn.AvgPool2d(2)
            ),
            nn.MaxPool2d(3, 1, 1),
            nn.AvgPool2d(3, 1, 1),
            nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)),
            nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear")),
            nn.SiLU(),
            nn.GroupNorm(1, x.shape[1]),
        ]
        layer = self.chance.choice(layers)
        kind = self.chance.random()
        if kind < 0.15:  # the value is read as a residual, too
            layer = nn.Conv2d(x.shape[1], x.shape[1], 3, padding=1)
            self.layers.append(layer)
            return lambda values: layer(values[number]).add_(values[number])
        if kind < 0.25 and x.shape[1] > 1:
            half = x.shape[1] // 2
            return lambda values: values[number][:, half:]
        self.layers.append(layer)
        return lambda values: layer(values[number])

    def _convolution(self, x: Tensor, kernel: int, after: nn.Module) -> nn.Module:
        filters = self.chance.choice((1, 4, 5, 16, 32))
        return nn.Sequential(nn.Conv2d(x.shape[1], filters, kernel, padding=kernel // 2), after)

    def _concatenation(self, values: list[Tensor]) -> Step:
        """Join values along the channels, mostly, or some of one shape along another axis."""
        axis = self.chance.choice((1, 1, 1, 1, 1, -3, 0, 2, -1))
        first = self.chance.randrange(len(values))
        alike = [
            number
            for number, each in enumerate(values)
            if all(
                one == other or place == axis % 4
                for place, (one, other) in enumerate(
                    zip(each.shape, values[first].shape, strict=True)
                )
            )
        ]
        if self.chance.random() < 0.3:
            numbers = alike  # as a dense block does
        else:
            numbers = self.chance.choices(alike, k=self.chance.randint(1, 4))
        while sum(values[each].shape[axis] for each in numbers) > MOST_CHANNELS and numbers[1:]:
            numbers = numbers[1:]
        return lambda values: torch.cat([values[each] for each in numbers], axis)
