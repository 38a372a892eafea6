"""Random calls of the functions that glassconv shares with PyTorch, one for each number.

`draw(1234)` is the same call in every run and on every machine. Nine in ten are valid, one in ten
has a mistake of `differential_mistakes.MISTAKES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from random import Random
from typing import Any

import numpy as np
import torch

from support.differential_operands import COMPLEX, FLOATING, INTEGER, LAYOUTS, Operand
from support.differential_truth import Geometry

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
OTHERS = ("unfold", "fold")
ORDER = {  # of PyTorch's arguments by position
    "conv": ("bias", "stride", "padding", "dilation", "groups"),
    "conv_transpose": ("bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "unfold": ("kernel_size", "dilation", "padding", "stride"),
    "fold": ("output_size", "kernel_size", "dilation", "padding", "stride"),
}
MOST_WINDOWS, MOST_ELEMENTS = 12_000, 60_000  # what keeps a call to some milliseconds


@dataclass(frozen=True)
class Call:
    """One call: its operands, its arguments as they are passed, and what it means.

    arguments: by name, in PyTorch's order; the first `positional` are passed by position.
    geometry: None where a mistake leaves none.
    gradient: the layout of the output's gradient, or "" where none is computed.
    """

    index: int
    function: str
    operands: Mapping[str, Operand]
    arguments: Mapping[str, Any]
    geometry: Geometry | None
    positional: int = 0
    mistake: str = ""
    gradient: str = ""
    no_grad: bool = False

    @property
    def kind(self) -> str:
        """Return "conv", "conv_transpose", "unfold" or "fold"."""
        return self.function.rstrip("123d") if "conv" in self.function else self.function

    @property
    def ndim(self) -> int:
        """Return the number of spatial axes."""
        return int(self.function[-2]) if "conv" in self.function else 2

    def __str__(self) -> str:
        """Return the call in one line, as one would write it."""
        parts = [f"{name}=<{operand}>" for name, operand in self.operands.items()]
        parts += [f"{name}={value!r}" for name, value in self.arguments.items()]
        notes = [f"{self.positional} by position"] if self.positional else []
        notes += [f"gradient {self.gradient}"] if self.gradient else []
        notes += ["no_grad"] if self.no_grad else []
        notes += [f"mistake: {self.mistake}"] if self.mistake else []
        return f"{self.function}({', '.join(parts)})" + (f"  # {'; '.join(notes)}" if notes else "")


@dataclass
class Draft:
    """A call in the making; mistakes change it."""

    random: Random
    function: str
    ndim: int
    operands: dict[str, Operand] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    geometry: Geometry | None = None
    gradient: str = ""


def draw(index: int) -> Call:
    """Return the call of a number."""
    from support.differential_mistakes import MISTAKES

    random = Random(f"call {index}")
    mistake = random.choice(sorted(MISTAKES)) if index % 10 == 9 else ""
    while True:
        draft = _valid(random)
        if mistake:
            if not MISTAKES[mistake](draft):
                continue
            draft.gradient = ""
        order = ORDER["conv_transpose" if "transpose" in draft.function else
                      draft.function if draft.function in OTHERS else "conv"]  # fmt: skip
        named = {name: value for name, value in draft.arguments.items() if name in order}
        named |= {"bias": None} if "bias" in order else {}
        leading = 0
        while leading < len(order) and order[leading] in named:
            leading += 1
        named.pop("bias", None)
        positional = random.randint(0, leading)
        arguments = {name: named[name] for name in order if name in named}
        arguments |= {k: v for k, v in draft.arguments.items() if k not in order}
        return Call(
            index,
            draft.function,
            draft.operands,
            arguments,
            draft.geometry,
            positional,
            mistake,
            draft.gradient,
            no_grad=random.random() < 0.05,
        )


def _valid(random: Random) -> Draft:
    """Return a call that PyTorch accepts, or refuses for its element type or an empty axis."""
    names = (*CONVOLUTIONS, *CONVOLUTIONS, *TRANSPOSED, *(OTHERS if random.random() < 0.3 else ()))
    function = random.choice(names)
    for draft in _drafts(random, function):
        geometry = draft.geometry
        if geometry is None or min((*geometry.dense, *geometry.spread)) < 0:
            continue
        windows = prod(geometry.dense) * prod(geometry.kernel)
        arrays = [prod(operand.shape) for operand in draft.operands.values()]
        arrays += [prod(geometry.spread) * 40, prod(geometry.dense) * 40]
        if windows <= MOST_WINDOWS and max(arrays) <= MOST_ELEMENTS:
            return draft
    raise AssertionError


def _drafts(random: Random, function: str) -> Iterator[Draft]:
    while True:
        draft = Draft(random, function, int(function[-2]) if "conv" in function else 2)
        if function in OTHERS:
            _draw_columns(draft)
        else:
            _draw_convolution(draft)
        yield draft


def _sizes(random: Random, ndim: int, large: bool) -> tuple[int, ...]:
    most = {1: 14, 2: 8, 3: 5}[ndim] if not large else {1: 120, 2: 30, 3: 8}[ndim]
    if random.random() < 0.04:
        return tuple(random.randint(0, 3) for _ in range(ndim))
    return tuple(random.randint(1, most) for _ in range(ndim))


def _each(random: Random, ndim: int, *choices: int) -> tuple[int, ...]:
    """Return a size for each axis, half of the time the same for all."""
    if random.random() < 0.5:
        return (random.choice(choices),) * ndim
    return tuple(random.choice(choices) for _ in range(ndim))


def _strides(random: Random, ndim: int, sizes: Sequence[int]) -> tuple[int, ...]:
    kind = random.random()
    if kind < 0.06:  # larger than the input
        return tuple(size + random.randint(1, 5) for size in sizes)
    if kind < 0.09:
        return tuple(2 ** random.randint(8, 40) for _ in sizes)
    return _each(random, ndim, 1, 1, 1, 1, 2, 2, 3, 4)


def _draw_convolution(draft: Draft) -> None:
    random, ndim = draft.random, draft.ndim
    transposed = "transpose" in draft.function
    large = random.random() < 0.05
    sizes = _sizes(random, ndim, large)
    kernel = _each(random, ndim, 1, 1, 2, 3, 3, 3, 4, 5)
    stride = _strides(random, ndim, sizes)
    dilation = _each(random, ndim, 1, 1, 1, 1, 2, 3)
    padding = _each(random, ndim, 0, 0, 1, 1, 2, 3)
    output_padding = (0,) * ndim
    word = ""
    if not transposed and random.random() < 0.2:
        word = random.choice(("same", "same", "valid"))
        stride = (1,) * ndim if word == "same" else stride
    totals = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    before = after = padding
    if word:
        before = tuple(total // 2 if word == "same" else 0 for total in totals)
        after = tuple(t - b if word == "same" else 0 for t, b in zip(totals, before, strict=True))
    if transposed:
        if random.random() < 0.4:
            most = [max(s, d) for s, d in zip(stride, dilation, strict=True)]
            output_padding = tuple(min(random.randint(0, 3), each - 1) for each in most)
        other = tuple(
            (n - 1) * s - 2 * p + t + o + 1
            for n, s, p, t, o in zip(sizes, stride, padding, totals, output_padding, strict=True)
        )
    else:
        other = tuple(
            (n + b + a - t - 1) // s + 1
            for n, s, b, a, t in zip(sizes, stride, before, after, totals, strict=True)
        )
        if any(n + b + a < t + 1 for n, b, a, t in zip(sizes, before, after, totals, strict=True)):
            return  # the kernel does not fit; a mistake makes such calls
    dense, spread = (sizes, other) if transposed else (other, sizes)
    groups, per_a, per_b = _channels(random, large)
    draft.geometry = Geometry(dense, spread, kernel, stride, before, dilation, groups)
    a, b = groups * per_a, groups * per_b  # channels of the dense side, of the spread side
    batch = random.choice((0, 1, 1, 1, 2, 2, 3)) if random.random() < 0.5 else 1
    unbatched = random.random() < 0.15
    leading = () if unbatched else (batch,)
    bias = b if transposed else a
    dtype = _dtype(random)
    _operands(
        draft,
        dtype,
        input=(*leading, a if transposed else b, *sizes),
        weight=(a, per_b, *kernel),
        bias=(bias,),
    )
    values = {
        "stride": _form(random, stride),
        "padding": word or _form(random, padding),
        "dilation": _form(random, dilation),
        "groups": groups,
    }
    defaults: dict[str, tuple[int, ...]] = {
        "stride": (1,) * ndim, "padding": (0,) * ndim, "dilation": (1,) * ndim}  # fmt: skip
    if transposed:
        values["output_padding"] = _form(random, output_padding)
        defaults["output_padding"] = (0,) * ndim
    settled = {"stride": stride, "padding": () if word else padding, "dilation": dilation,
               "output_padding": output_padding}  # fmt: skip
    for name, value in values.items():
        is_default = groups == 1 if name == "groups" else settled[name] == defaults[name]
        if not is_default or random.random() < 0.4:
            draft.arguments[name] = value


def _channels(random: Random, large: bool) -> tuple[int, int, int]:
    """Return groups, and the channels of each group on either side."""
    most = (1, 2, 3, 4, 5, 8) if not large else (1, 3, 8, 16, 17, 32)
    kind = random.random()
    if kind < 0.04:
        return random.choice(((1, 0, 2), (1, 2, 0), (1, 0, 0), (2, 0, 1), (2, 1, 0)))
    if kind < 0.6:
        return 1, random.choice(most), random.choice(most)
    if kind < 0.8:  # depthwise, with a multiplier
        return random.choice((2, 3, 4, 8)), random.choice((1, 1, 2)), random.choice((1, 1, 1, 2))
    return random.choice((2, 2, 3, 4)), random.choice(most[:4]), random.choice(most[:4])


def _draw_columns(draft: Draft) -> None:
    """Draw a call of unfold or fold."""
    random = draft.random
    sizes = _sizes(random, 2, large=False)
    kernel = _each(random, 2, 1, 2, 3, 3, 4)
    stride = _strides(random, 2, sizes)
    dilation, padding = _each(random, 2, 1, 1, 2, 3), _each(random, 2, 0, 0, 1, 2)
    totals = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    axes = [*zip(sizes, stride, padding, totals, strict=True)]
    if any(n + 2 * p < t for n, _, p, t in axes):
        return
    windows = tuple((n + 2 * p - t) // s + 1 for n, s, p, t in axes)
    draft.geometry = Geometry(windows, sizes, kernel, stride, padding, dilation)
    channels = random.choice((0, 1, 1, 2, 3, 5))
    leading = () if random.random() < 0.15 else (random.choice((0, 1, 1, 2, 3)),)
    shape: tuple[int, ...] = (*leading, channels, *sizes)
    if draft.function == "fold":
        shape = (*leading, channels * prod(kernel), prod(windows))
    _operands(draft, _dtype(random), input=shape)
    size = {"output_size": _form(random, sizes)} if draft.function == "fold" else {}
    draft.arguments = {**size, "kernel_size": _form(random, kernel)}
    for name, value, default in (
        ("dilation", dilation, 1), ("padding", padding, 0), ("stride", stride, 1)):  # fmt: skip
        if value != (default,) * 2 or random.random() < 0.4:
            draft.arguments[name] = _form(random, value)


def _dtype(random: Random) -> str:
    kind = random.random()
    if kind < 0.4:
        return "float32"
    if kind < 0.75:
        return random.choice(FLOATING)
    return random.choice(COMPLEX if kind < 0.87 else INTEGER)


def _operands(draft: Draft, dtype: str, **shapes: tuple[int, ...]) -> None:
    """Draw the numbers and the layouts of arrays of these shapes."""
    random = draft.random
    common = random.choice(("normal", "normal", "normal", "whole"))
    if dtype in INTEGER:
        common = random.choice(("any", "whole"))
    records = dtype not in INTEGER and random.random() < 0.35
    usual = ("contiguous", "contiguous", "contiguous", "channels_last", "channels_last")
    for name, shape in shapes.items():
        if name == "bias" and random.random() < 0.5:
            continue
        layouts = usual if random.random() < 0.6 else tuple(LAYOUTS)
        views = ["", "", "", "", "neg"] if dtype not in INTEGER else [""]
        views += ["conj", "conj"] if dtype in COMPLEX else []
        numbers = common
        if name == "input" and dtype in ("float32", "float64") and random.random() < 0.03:
            numbers = random.choice(("nan", "inf"))
        draft.operands[name] = Operand(
            shape,
            dtype,
            numbers,
            random.choice(layouts),
            random.choice(views) if random.random() < 0.5 else "",
            requires_grad=records and random.random() < 0.7,
            seed=random.randrange(2**32),
        )
    if random.random() < 0.01:
        for name, operand in draft.operands.items():
            draft.operands[name] = replace(operand, device="meta", view="", requires_grad=False)
    if any(operand.requires_grad for operand in draft.operands.values()):
        draft.gradient = random.choice((*usual, *LAYOUTS))


def _form(random: Random, value: tuple[int, ...]) -> Any:
    """Return sizes in one of the forms that PyTorch accepts."""
    same = len(set(value)) == 1
    kind = random.random()
    if same and kind < 0.5:
        return value[0]
    if same and kind < 0.54:
        return np.int64(value[0])
    if same and kind < 0.58:
        return torch.tensor(value[0])
    if same and kind < 0.62 and len(value) > 1:
        return value[:1]
    if kind < 0.8:
        return list(value)
    return torch.Size(value) if kind > 0.95 else value
