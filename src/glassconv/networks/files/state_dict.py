"""Weights of a file, by name: `.safetensors`, and the `.pt` and `.pth` of `torch.save`.

No pickle is executed: `torch.load(weights_only=True)` reads one as numbers and names of its own
list. That list has names that take as much memory as the file asks for, so the names are read here
before, and only those of a state dict are let through.
"""

from __future__ import annotations

import pickletools
import re
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from glassconv.errors import MissingExtraError, NetworkError, unknown_name
from glassconv.networks.files.archive import Archive
from glassconv.networks.files.bounded_file import BoundedFile
from glassconv.networks.files.quote import first_line, quoted
from glassconv.networks.files.strict_json import parse_json

ZIP = b"PK\x03\x04"
LEGACY_PICKLES = 5  # in a file of PyTorch before 1.6: a number, a version, sizes, weights, keys
PROTOCOL = 2  # of the pickles that torch.save writes, unless asked for another
MOST_PICKLE = 4 << 20  # bytes
MOST_INSTRUCTIONS = 200_000  # of a pickle: about 25 a weight
NAMES = re.compile(  # of modules and what is in them, as a pickle has them
    r"collections OrderedDict|torch Size|torch\._utils _rebuild_(tensor|tensor_v[23]|parameter)"
    r"|torch \w+Storage|torch\.storage UntypedStorage|torch (u?int|b?float|bool)\w*"
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the weights of a `.safetensors`, `.pt` or `.pth` file, by name, on the CPU.

    Raises `NetworkError` with the reason for a file that is malformed or holds something else,
    `MissingExtraError` for a `.safetensors` file without the package safetensors.
    """
    if path.suffix not in READERS:
        raise unknown_name("kind of weights", path.suffix, READERS)
    with BoundedFile(path) as file:
        state = READERS[path.suffix](path, file)
    _check(state, str(path))
    return state


def _safetensors(path: Path, file: BoundedFile) -> dict[str, Tensor]:
    """Return the weights of a `.safetensors` file.

    The library checks every shape, size and offset. What it does not: a header of a million
    weights, which takes a gigabyte, and a name that is there twice.
    """
    try:
        safetensors = import_module("safetensors.torch")
    except ModuleNotFoundError:
        cause = "safetensors is not installed: pip install 'glassconv[safetensors]'"
        raise MissingExtraError(cause, request=str(path)) from None
    header = file.read(int.from_bytes(file.read(8), "little"))
    parse_json(header, str(path))
    return _attempt(lambda: safetensors.load_file(path), path)


def _pickled(path: Path, file: BoundedFile) -> dict[str, Tensor]:
    """Return the weights of a `.pt` or `.pth` file."""
    if file.read(len(ZIP)) == ZIP:
        with Archive(path) as archive:
            _check_pickle(BytesIO(archive.read("data.pkl", MOST_PICKLE)), path)
    else:
        file.seek(0)
        for _ in range(LEGACY_PICKLES):
            _check_pickle(file, path)
    return _attempt(lambda: torch.load(path, map_location="cpu", weights_only=True), path)


READERS: Mapping[str, Callable[[Path, BoundedFile], dict[str, Tensor]]] = {
    ".safetensors": _safetensors,
    ".pt": _pickled,
    ".pth": _pickled,
}


def _check_pickle(file: IO[bytes], path: Path) -> None:
    """Read the instructions of a pickle without executing one, and raise for a foreign name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickletools, for a backslash in a name
        reason = _refusal(file)
    if reason:
        raise NetworkError(f"its pickle {reason}", request=str(path))


def _refusal(file: IO[bytes]) -> str | None:
    """Return why a pickle is not that of a state dict, or None."""
    try:
        for instruction, argument, _ in islice(pickletools.genops(file), MOST_INSTRUCTIONS):
            if instruction.name == "STOP":
                return None
            if instruction.name == "GLOBAL" and not NAMES.fullmatch(str(argument)):
                name = first_line(str(argument).replace(" ", "."))
                return f"names {name}, which no state dict needs; nothing was executed"
            if instruction.name == "PROTO" and argument != PROTOCOL:
                return f"has protocol {argument}, where torch.save writes {PROTOCOL}"
    except NetworkError:
        raise
    except ValueError as error:
        return f"cannot be read: {first_line(str(error))}"
    return f"has more than {MOST_INSTRUCTIONS:,} instructions"


def _attempt(read: Callable[[], dict[str, Tensor]], path: Path) -> dict[str, Tensor]:
    """Return what a library reads, or its error as one sentence."""
    try:
        return read()
    except Exception as error:  # a malformed pickle raises errors of any kind
        # PyTorch puts advice around the reason.
        own = re.search(r"WeightsUnpickler error: (.+)", str(error))
        reason = first_line(own[1] if own else str(error))
        raise NetworkError(f"it cannot be read: {reason}", request=str(path)) from None


def _check(state: object, request: str) -> None:
    """Raise for what is no dictionary of dense tensors by name, each of which its memory holds."""
    if not isinstance(state, dict):
        cause = f"it must hold a state dict, got {type(state).__name__}"
        raise NetworkError(cause, request=request)
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            got = f"{quoted(name)} is {type(tensor).__name__}"
            cause = f"it must hold a state dict of tensors, but {got}"
            raise NetworkError(cause, request=request)
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise NetworkError(f"{quoted(name)} is no dense tensor", request=request)
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            shape = tuple(tensor.shape)
            cause = f"{quoted(name)} has the shape {shape}, which its bytes do not hold"
            raise NetworkError(cause, request=request)
