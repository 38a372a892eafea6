"""A file's tensors: their sizes are checked before they are read, in the file or beside it."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from glassconv.errors import NetworkError, UnsupportedError

# The element types that PyTorch computes in.
DTYPES: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.INT8: torch.int8,
    TensorProto.UINT8: torch.uint8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
}
LARGEST_SIZE = 2**63 - 1  # in bytes
MOST_AXES = 64  # NumPy's


def dtype_of(number: int, owner: str) -> torch.dtype:
    """Return PyTorch's element type for ONNX's; raises `UnsupportedError` if it has none."""
    if number not in DTYPES:
        known = number in TensorProto.DataType.values()
        name = TensorProto.DataType.Name(number) if known else f"number {number}"
        raise UnsupportedError(f"{owner} has the element type {name}, which is not supported")
    return DTYPES[number]


@dataclass(frozen=True)
class Region:
    """Where a tensor is outside the model's file."""

    file: Path
    offset: int
    size: int


class TensorReader:
    """Reads tensors of a model whose files are in `folder`; no byte outside the file twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.read_ranges: dict[Path, list[tuple[int, int]]] = {}  # of each file, sorted

    def read(self, tensor: TensorProto, owner: str) -> Tensor:
        """Return a tensor; owner: what it is, for errors."""
        dtype = dtype_of(tensor.data_type, owner)
        size = _size(tensor, dtype, owner)
        if tensor.data_location == TensorProto.EXTERNAL:
            region = self._region(tensor, size, owner)
            content = np.fromfile(region.file, np.uint8, region.size, offset=region.offset)
            return torch.from_numpy(content).view(dtype).reshape(tuple(tensor.dims))
        _require_content(tensor, dtype, size, owner)
        array = numpy_helper.to_array(tensor)
        if dtype == torch.bfloat16:  # NumPy has no such type
            return torch.from_numpy(array.view(np.int16).copy()).view(dtype)
        return torch.from_numpy(array.copy())

    def _region(self, tensor: TensorProto, size: int, owner: str) -> Region:
        """Return the region of an external tensor, which no other has."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        file = self._file(entries.get("location", ""), owner)
        try:
            offset, length = (
                int(entries.get(key) or default)
                for key, default in (("offset", 0), ("length", size))
            )
        except ValueError:
            raise NetworkError(f"{owner} has an offset or a length that is no number") from None
        if length != size:
            raise NetworkError(f"{owner} needs {size} bytes, its external data has {length}")
        available = file.stat().st_size
        if not 0 <= offset <= available - size:
            cause = (
                f"{owner} ends behind its file {file.name}: {available} bytes, {size} from {offset}"
            )
            raise NetworkError(cause)
        ranges = self.read_ranges.setdefault(file, [])
        place = bisect(ranges, (offset, offset + size))
        before, after = ranges[max(0, place - 1) : place], ranges[place : place + 1]
        if any(end > offset for _, end in before) or any(
            start < offset + size for start, _ in after
        ):
            raise NetworkError(f"{owner} overlaps another tensor in {file.name}")
        if size:
            ranges.insert(place, (offset, offset + size))
        return Region(file, offset, size)

    def _file(self, location: str, owner: str) -> Path:
        """Return the file of external data, which must be inside the model's folder."""
        try:
            file = (self.folder / location).resolve()
            inside = file.is_relative_to(self.folder) and not Path(location).is_absolute()
            is_file = inside and file.is_file()
        except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, a loop of links
            inside, is_file = True, False
        if not inside:
            raise NetworkError(f"{owner} is outside the model's folder: {location[:80]!r}")
        if not is_file:
            raise NetworkError(f"{owner} needs a file that is not there: {location[:80]!r}")
        return file


def _size(tensor: TensorProto, dtype: torch.dtype, owner: str) -> int:
    """Return the size that a tensor's axes ask for, in bytes."""
    axes = tuple(tensor.dims)
    if len(axes) > MOST_AXES or any(size < 0 for size in axes):
        raise NetworkError(f"{owner} has impossible sizes: {_shortened(axes)}")
    itemsize: int = dtype.itemsize
    if prod(max(1, size) for size in axes) * itemsize > LARGEST_SIZE:
        raise NetworkError(f"{owner} is too large: {_shortened(axes)}")
    elements: int = prod(axes)
    return elements * itemsize


def _require_content(tensor: TensorProto, dtype: torch.dtype, size: int, owner: str) -> None:
    """Raise unless the file has exactly the elements that the tensor's axes ask for."""
    if tensor.HasField("raw_data"):
        found = len(tensor.raw_data)
    else:
        field = helper.tensor_dtype_to_field(tensor.data_type)
        found = len(getattr(tensor, field)) * dtype.itemsize
    if found != size:
        axes = _shortened(tuple(tensor.dims))
        raise NetworkError(f"{owner} has {found} bytes, its sizes {axes} need {size}")


def _shortened(axes: tuple[int, ...]) -> str:
    return f"{list(axes)}" if len(axes) <= 8 else f"{len(axes)} axes"
