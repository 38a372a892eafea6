"""Small random networks: convolutions of all kinds, and what networks do between them.

A network is made by running it: each step is drawn for the values that there are by then, and
recorded. Calling the network runs the same steps again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from support.optimized import with_statistics

LARGEST = 20_000  # elements of a value
CONVOLUTIONS: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d)
TRANSPOSED: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
IN_PLACE = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.LeakyReLU, nn.ELU, nn.Hardsigmoid)
ACTIVATIONS = (nn.Sigmoid, nn.GELU, nn.Tanh, nn.Mish, nn.Hardtanh, nn.PReLU)

Step = Callable[..., Any]  # of a layer, if it has one, and of the values that it reads
Made = tuple[Step, int | None, tuple[int, ...]]  # a step, the numbers of its layer and its values


@dataclass
class Drawn:
    """What a step is drawn for, and the layers that it has made."""

    chance: Random
    values: list[Tensor]
    layers: nn.ModuleList = field(default_factory=nn.ModuleList)

    @property
    def axes(self) -> int:
        """Return the number of spatial axes."""
        return self.values[0].dim() - 2

    def layer(self, layer: nn.Module) -> int:
        """Keep a layer, with statistics if it is a normalisation, and return its number."""
        self.layers.append(with_statistics(layer, len(self.layers)))
        return len(self.layers) - 1

    def of_shape(self, shape: Sequence[int]) -> int:
        """Return the number of a value of a shape."""
        fitting = [n for n, value in enumerate(self.values) if value.shape == tuple(shape)]
        return self.chance.choice(fitting)


def _run(layers: nn.ModuleList, step: Step, layer: int | None, values: Sequence[Tensor]) -> Tensor:
    result: Tensor = step(*values) if layer is None else step(layers[layer], *values)
    return result


def _call(layer: nn.Module, x: Tensor) -> Tensor:
    result: Tensor = layer(x)
    return result


class RandomNetwork(nn.Module):
    """Steps on values, of which some are returned."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        chance = Random(seed)
        size = [chance.choice((1, 2, 2)), chance.choice((1, 3, 4, 8))]
        size += [chance.choice((7, 8, 12)) for _ in range(chance.choice((1, 2, 2, 2)))]
        self.example = torch.randn(size)
        if len(size) == 4 and chance.random() < 0.3:
            self.example = self.example.to(memory_format=torch.channels_last)
        drawn = Drawn(chance, [self.example.clone()])
        self.steps: list[Made] = []
        self.names: list[str] = []
        while len(self.steps) < chance.randint(3, 9):
            self.add(drawn)
        self.layers = drawn.layers
        last = len(drawn.values) - 1
        others = chance.sample(range(len(drawn.values)), min(2, last))
        self.returned = [last] if chance.random() < 0.7 else [last, *others]
        self.head: nn.Module = nn.Identity()
        if chance.random() < 0.4:
            features = drawn.values[last].shape[1]
            self.head = nn.Sequential(
                nn.AdaptiveAvgPool1d(1) if drawn.axes == 1 else nn.AdaptiveAvgPool2d(1),
                nn.Flatten(), nn.Linear(features, 5),
            )  # fmt: skip
        self.eval()

    def add(self, drawn: Drawn) -> None:
        """Draw a step, and run it."""
        name = drawn.chance.choice(list(STEPS))
        before = len(drawn.layers)
        latest = len(drawn.values) - 1
        number = drawn.chance.choice((latest, latest, drawn.chance.randint(0, latest)))
        made = STEPS[name](drawn, drawn.values[number])
        if made is not None:
            step, layer, others = made
            numbers = (number, *others)
            with torch.no_grad():
                values = [drawn.values[each] for each in numbers]
                result = _run(drawn.layers, step, layer, values)
            if 0 < result.numel() <= LARGEST and result.isfinite().all():
                drawn.values.append(result)
                self.steps.append((step, layer, numbers))
                self.names.append(name)
                return
        del drawn.layers[before:]

    def forward(self, x: Tensor) -> Any:
        """Return one value, or some of them."""
        values = [x]
        for step, layer, numbers in self.steps:
            values.append(_run(self.layers, step, layer, [values[number] for number in numbers]))
        first, *others = (values[number] for number in self.returned)
        head = self.head(first)
        return {"head": head, "others": tuple(others)} if others else head

    def extra_repr(self) -> str:
        """Return the names of the steps."""
        return ", ".join(self.names)


def _per_axis(chance: Random, axes: int, choices: Sequence[int]) -> tuple[int, ...]:
    return tuple(chance.choice(choices) for _ in range(axes))


def _convolution(drawn: Drawn, x: Tensor) -> Made | None:
    chance, axes, channels = drawn.chance, drawn.axes, x.shape[1]
    kernel, dilation = _per_axis(chance, axes, (1, 3, 3, 4)), _per_axis(chance, axes, (1, 1, 2))
    padding = _per_axis(chance, axes, (0, 1, 1, 2))
    spans = [
        size + 2 * each - dilated * (taps - 1)
        for size, each, dilated, taps in zip(x.shape[2:], padding, dilation, kernel, strict=True)
    ]
    if min(spans) < 1:
        return None
    groups = chance.choice([n for n in (1, 1, 2, channels) if channels % n == 0])
    filters = groups * chance.choice((1, 2, 3, 8))
    layer = CONVOLUTIONS[axes - 1](
        channels, filters, kernel, _per_axis(chance, axes, (1, 1, 2)), padding, dilation, groups,
        bias=chance.random() < 0.5,
    )  # fmt: skip
    return _call, drawn.layer(layer), ()


def _transposed(drawn: Drawn, x: Tensor) -> Made | None:
    chance, axes, channels = drawn.chance, drawn.axes, x.shape[1]
    groups = chance.choice([n for n in (1, 1, 2, channels) if channels % n == 0])
    stride = _per_axis(chance, axes, (1, 2, 2))
    extra = tuple(chance.randint(0, each - 1) for each in stride)
    layer = TRANSPOSED[axes - 1](
        channels, groups * chance.choice((1, 2, 5)), _per_axis(chance, axes, (2, 3)), stride,
        _per_axis(chance, axes, (0, 1)), extra, groups, chance.random() < 0.5,
    )  # fmt: skip
    return _call, drawn.layer(layer), ()


def _called_again(drawn: Drawn, x: Tensor) -> Made | None:
    fitting = [
        number
        for number, each in enumerate(drawn.layers)
        if isinstance(each, CONVOLUTIONS)
        and each.in_channels == x.shape[1]
        and min(x.shape[2:]) > 7
    ]
    return (_call, drawn.chance.choice(fitting), ()) if fitting else None


def _norm(drawn: Drawn, x: Tensor) -> Made | None:
    affine = drawn.chance.random() < 0.8
    if drawn.chance.random() < 0.3:
        groups = drawn.chance.choice([n for n in (1, 1, 2) if x.shape[1] % n == 0])
        return _call, drawn.layer(nn.GroupNorm(groups, x.shape[1], affine=affine)), ()
    return _call, drawn.layer(NORMS[drawn.axes - 1](x.shape[1], affine=affine)), ()


def _convolution_norm_activation(drawn: Drawn, x: Tensor) -> Made | None:
    kernel = drawn.chance.choice((1, 3))
    filters = drawn.chance.choice((2, 8, 16))
    layer = CONVOLUTIONS[drawn.axes - 1](
        x.shape[1], filters, kernel, bias=False, padding=kernel // 2
    )
    activation = drawn.chance.choice(IN_PLACE)(inplace=drawn.chance.random() < 0.5)
    return _call, drawn.layer(nn.Sequential(layer, NORMS[drawn.axes - 1](filters), activation)), ()


def _activation(drawn: Drawn, x: Tensor) -> Made | None:
    if drawn.chance.random() < 0.5:
        return _call, drawn.layer(drawn.chance.choice(ACTIVATIONS)()), ()
    in_place = drawn.chance.random() < 0.3
    return _call, drawn.layer(drawn.chance.choice(IN_PLACE)(inplace=in_place)), ()


def _residual(drawn: Drawn, x: Tensor) -> Made | None:
    channels = x.shape[1]
    layer = drawn.layer(CONVOLUTIONS[drawn.axes - 1](channels, channels, 3, padding=1))
    after = drawn.chance.choice((torch.relu, F.silu, lambda each: each))
    if drawn.chance.random() < 0.5:
        return (lambda layer, x, y: after(layer(x) + y)), layer, (drawn.of_shape(x.shape),)
    return (lambda layer, x, y: after(y + layer(x))), layer, (drawn.of_shape(x.shape),)


def _arithmetic(drawn: Drawn, x: Tensor) -> Made | None:
    other = drawn.of_shape(x.shape)
    functions: Sequence[Step] = (
        lambda x, y: x + y,
        lambda x, y: x * torch.sigmoid(y),
        lambda x, y: x - 0.5 * y,
        lambda x, y: torch.add(x, y, alpha=-0.3),
        lambda x, y: 1.5 - x,
        lambda x, y: x / 3 + 0.25,
        lambda x, y: (x * 1).add_(y),
        lambda x, y: x / (1 + y.abs()),
        lambda x, y: x.clamp(-1, 1) * y.clamp(max=0.5),
        lambda x, y: x.mul_(0.5) + y,
    )
    return drawn.chance.choice(functions), None, (other,)


def _gate(drawn: Drawn, x: Tensor) -> Made | None:
    axes, channels = tuple(range(2, x.dim())), x.shape[1]
    layer = drawn.layer(CONVOLUTIONS[drawn.axes - 1](channels, channels, 1))

    def gated(layer: nn.Module, x: Tensor) -> Tensor:
        weights: Tensor = torch.sigmoid(layer(x.mean(axes, keepdim=True)))
        return x * weights

    return gated, layer, ()


def _joined(drawn: Drawn, x: Tensor) -> Made | None:
    axis = drawn.chance.randrange(1, x.dim())
    return (lambda x, y: torch.cat([x, y], axis)), None, (drawn.of_shape(x.shape),)


def _part(drawn: Drawn, x: Tensor) -> Made | None:
    if x.shape[1] < 2:
        return None
    half = x.shape[1] // 2
    functions: Sequence[Step] = (
        lambda x: x.chunk(2, 1)[0],
        lambda x: torch.cat(x.split(half, 1)[::-1], 1),
        lambda x: x[:, ::2],
        lambda x: x[:, 1:] + x[:, :-1],
        lambda x: x.narrow(1, 0, half).clone(),
    )
    return drawn.chance.choice(functions), None, ()


def _shuffle(drawn: Drawn, x: Tensor) -> Made | None:
    if x.shape[1] % 2:
        return None
    batch, channels, *size = x.shape

    def shuffled(x: Tensor) -> Tensor:
        pairs = x.reshape(batch, 2, channels // 2, *size)
        return pairs.transpose(1, 2).reshape(batch, channels, *size)

    return shuffled, None, ()


def _along_channels(drawn: Drawn, x: Tensor) -> Made | None:
    channels = x.shape[1]
    layers = (nn.LayerNorm(channels), nn.Linear(channels, 6), nn.Softmax(-1))
    layer = drawn.layer(drawn.chance.choice(layers))
    first, last = (0, *range(2, x.dim()), 1), (0, x.dim() - 1, *range(1, x.dim() - 1))
    return (lambda layer, x: layer(x.permute(first)).permute(last)), layer, ()


def _tokens(drawn: Drawn, x: Tensor) -> Made | None:
    size, channels = x.shape[2:], x.shape[1]
    layer = drawn.layer(nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, channels)))

    def attention(layer: nn.Module, x: Tensor) -> Tensor:
        tokens = layer(x.flatten(2).transpose(1, 2))
        weights = (tokens @ tokens.transpose(1, 2)).softmax(-1)
        mixed: Tensor = weights @ tokens
        return mixed.transpose(1, 2).reshape(-1, channels, *size)

    return attention, layer, ()


def _pooling(drawn: Drawn, x: Tensor) -> Made | None:
    chance, axes = drawn.chance, drawn.axes
    if min(x.shape[2:]) < 3:
        return None
    kernel, ceil = chance.choice((2, 3)), chance.random() < 0.3
    maximum, average = (
        (nn.MaxPool1d, nn.MaxPool2d)[axes - 1],
        (nn.AvgPool1d, nn.AvgPool2d)[axes - 1],
    )
    layers = (
        maximum(kernel, chance.choice((1, 2)), kernel // 2, ceil_mode=ceil),
        average(kernel, 2, kernel // 2, ceil, chance.random() < 0.5),
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)[axes - 1](chance.choice((1, 2, 3))),
        (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)[axes - 1](chance.choice((1, 2))),
    )
    return _call, drawn.layer(chance.choice(layers)), ()


def _upsampled(drawn: Drawn, x: Tensor) -> Made | None:
    modes = ("nearest", "linear") if drawn.axes == 1 else ("nearest", "bilinear", "bicubic")
    mode, factor = drawn.chance.choice(modes), drawn.chance.choice((2, 2, 1.5))
    return (lambda x: F.interpolate(x, scale_factor=factor, mode=mode)), None, ()


def _padded(drawn: Drawn, x: Tensor) -> Made | None:
    chance = drawn.chance
    if min(x.shape[1:]) < 3:
        return None
    if chance.random() < 0.5:
        mode = chance.choice(("reflect", "replicate", "circular"))
        return (lambda x: F.pad(x, [1, 2] * drawn.axes, mode)), None, ()
    widths, value = [chance.choice((0, 1, 2, -1)) for _ in range(4)], chance.choice((0.0, 0.5))
    return (lambda x: F.pad(x, widths, value=value)), None, ()


def _slice(drawn: Drawn, x: Tensor) -> Made | None:
    if min(x.shape[2:]) < 4:
        return None
    functions: Sequence[Step] = (
        lambda x: x[..., 1:],
        lambda x: x[..., ::2],
        lambda x: x[:, :, 1:-1],
        lambda x: x.flip(-1),
        lambda x: x.roll((1, -2), (1, 2)),
        lambda x: x.transpose(-1, -2).contiguous(),
        lambda x: x[:1].expand_as(x),
        lambda x: x.contiguous().view(x.shape[0], -1).view_as(x),
        lambda x: torch.stack([x, x + 1], 2).flatten(1, 2),
    )
    return drawn.chance.choice(functions), None, ()


def _constant(drawn: Drawn, x: Tensor) -> Made | None:
    shape = [drawn.chance.choice((1, size)) for size in x.shape[1:]]
    numbers = torch.randn(shape)
    functions: Sequence[Step] = (
        lambda x: x + numbers.to(x.dtype),
        lambda x: x * torch.linspace(0.5, 1, x.shape[-1], dtype=x.dtype),
        lambda x: x + torch.zeros_like(x).add_(0.5),
        lambda x: x.masked_fill(torch.arange(x.shape[-1]) > 3, 0.0),
    )
    return drawn.chance.choice(functions), None, ()


def _through_a_view(drawn: Drawn, x: Tensor) -> Made | None:
    if drawn.chance.random() < 0.8:  # it makes the network run as it was
        return None

    def written(x: Tensor) -> Tensor:
        y = x * 2
        y[:, :1].mul_(0.5)
        return y

    return written, None, ()


STEPS: Mapping[str, Callable[[Drawn, Tensor], Made | None]] = {
    "convolution": _convolution, "convolution again": _convolution, "transposed": _transposed,
    "called again": _called_again, "norm": _norm, "block": _convolution_norm_activation,
    "block again": _convolution_norm_activation, "activation": _activation, "residual": _residual,
    "arithmetic": _arithmetic, "gate": _gate, "joined": _joined, "part": _part,
    "shuffle": _shuffle, "along channels": _along_channels, "tokens": _tokens,
    "pooling": _pooling, "upsampled": _upsampled, "padded": _padded, "slice": _slice,
    "constant": _constant, "through a view": _through_a_view,
}  # fmt: skip
