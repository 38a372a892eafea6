"""Weights of a program: bytes of the archive, seen as tensors whose layout is checked first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from glassconv.errors import NetworkError
from glassconv.networks.files.archive import Archive
from glassconv.networks.files.quote import quoted
from glassconv.networks.files.strict_json import field, parse_json

# The numbers of element types in PyTorch's schema, `torch._export.serde.schema.ScalarType`.
DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
STRIDED = 7  # the number of the dense layout, likewise
FOLDERS = ("weights", "constants")
MOST_LIST = 4 << 20  # bytes of what is stated of all weights: about 500 for each
MOST_AXES = 64  # of a tensor in PyTorch
MOST_ELEMENTS = 1 << 48  # the product of the sizes that are not 0


@dataclass(frozen=True)
class Layout:
    """Where the elements of a tensor are in its memory, counted in elements."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @property
    def span(self) -> int:
        """The elements of memory from the first of all to the last of this tensor."""
        if 0 in self.shape:
            return 0
        steps = sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        return self.offset + steps + 1


class Tensors:
    """The weights and constants of a program, read from the archive when they are asked for.

    Raises `NetworkError` for a weight that is a pickle, or has no dense layout within its bytes.
    """

    def __init__(self, archive: Archive, model: str) -> None:
        self._archive = archive
        payloads = list(self._read_payloads(model))
        self._payloads = dict(payloads)
        if len(self._payloads) < len(payloads):
            raise NetworkError("it has a weight and a constant of one name")
        self._memory: dict[str, Tensor] = {}

    def read(self, name: str, is_parameter: bool) -> Tensor:
        """Return the tensor of a name, as an `nn.Parameter` if it is one."""
        if name not in self._payloads:
            raise NetworkError(f"it has no weight {quoted(name)}")
        folder, payload = self._payloads[name]
        if payload.get("use_pickle") is not False:
            raise NetworkError(f"its weight {quoted(name)} is a pickle, which is not executed")
        meta = field(payload, "tensor_meta", dict)
        layout = layout_of(meta)
        memory = self._bytes(f"data/{folder}/{field(payload, 'path_name', str)}")
        self._check(name, layout, memory.numel())
        elements = memory[: memory.numel() // layout.dtype.itemsize * layout.dtype.itemsize]
        tensor = elements.view(layout.dtype).as_strided(layout.shape, layout.strides, layout.offset)
        if not is_parameter:
            return tensor
        learned = field(meta, "requires_grad", bool) and tensor.is_floating_point()
        return nn.Parameter(tensor, requires_grad=learned)

    def _read_payloads(self, model: str) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
        for folder in FOLDERS:
            entry = f"data/{folder}/{model}_{folder}_config.json"
            config = parse_json(self._archive.read(entry, MOST_LIST), str(self._archive.path))
            payloads = field(config, "config", dict)
            for name in payloads:
                yield name, (folder, field(payloads, name, dict))

    def _bytes(self, entry: str) -> Tensor:
        """Return the bytes of an entry; weights that share memory share it here, too."""
        if entry not in self._memory:
            memory = torch.empty(self._archive.size(entry), dtype=torch.uint8)
            self._archive.read_into(entry, memory.numpy().data)
            self._memory[entry] = memory
        return self._memory[entry]

    def _check(self, name: str, layout: Layout, size: int) -> None:
        """Raise for a tensor that is not within its bytes, or has more elements than they have."""
        held = size // layout.dtype.itemsize
        elements = math.prod(each for each in layout.shape if each)  # of a shape with a 0, too
        if layout.span > held or math.prod(layout.shape) > held or elements > MOST_ELEMENTS:
            cause = (
                f"its weight {quoted(name)} has the shape {layout.shape}, strides {layout.strides}"
            )
            raise NetworkError(
                f"{cause} and offset {layout.offset} in {layout.dtype}, but {size:,} bytes"
            )


def layout_of(meta: dict[str, Any]) -> Layout:
    """Return the layout that the file states for a weight."""
    dtype = field(meta, "dtype", int)
    if dtype not in DTYPES or field(meta, "layout", int) != STRIDED:
        raise NetworkError(f"it has a weight of element type {dtype}, which is not supported")
    shape, strides = _numbers(meta, "sizes"), _numbers(meta, "strides")
    offset = field(field(meta, "storage_offset", dict), "as_int", int)
    numbers = (*shape, *strides, offset)
    if len(shape) != len(strides) or len(shape) > MOST_AXES:
        raise NetworkError(f"it has a weight of {len(shape)} axes and {len(strides)} strides")
    if min(numbers) < 0 or max(numbers) > MOST_ELEMENTS:
        raise NetworkError(f"it has a weight of shape {shape}, strides {strides}, offset {offset}")
    return Layout(DTYPES[dtype], shape, strides, offset)


def _numbers(meta: dict[str, Any], key: str) -> tuple[int, ...]:
    """Return sizes that are numbers: a weight has no symbols."""
    return tuple(field(each, "as_int", int) for each in field(meta, key, list))
