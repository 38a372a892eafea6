"""Arguments of operators in PyTorch's JSON: one kind of value each, as in `{"as_int": 1}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx

from glassconv.errors import NetworkError
from glassconv.networks.exported.tensors import DTYPES, STRIDED
from glassconv.networks.files.quote import quoted
from glassconv.networks.files.strict_json import field

Values = Mapping[str, fx.Node]  # by the name that the file has for them

# The numbers of memory formats in PyTorch's schema, `torch._export.serde.schema.MemoryFormat`.
MEMORY_FORMATS: Mapping[int, torch.memory_format] = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
FLOATS = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}


def read_argument(argument: object, values: Values) -> Any:
    """Return an argument as torch.fx has it.

    values: what was computed before; a name that is not among them is refused, so that a graph has
        no cycles.

    Raises `NetworkError` for a kind of argument that is not supported, and a malformed one.
    """
    kind, content = _only(argument)
    if kind not in READERS:
        raise NetworkError(f"it has an argument of kind {quoted(kind)}, which is not supported")
    return READERS[kind](content, values)


def _only(union: object) -> tuple[str, Any]:
    """Return the kind and the content of a value that has one kind."""
    if not isinstance(union, dict) or len(union) != 1:
        raise NetworkError("its graph has an argument that is malformed")
    ((kind, content),) = union.items()
    return str(kind), content


def _value(name: object, values: Values) -> fx.Node:
    if not isinstance(name, str) or name not in values:
        raise NetworkError(f"its graph reads {quoted(name)}, which is not computed before")
    return values[name]


def _tensor(content: object, values: Values) -> fx.Node:
    return _value(field(content, "name", str), values)


def _plain(kind: type) -> Callable[[object, Values], Any]:
    """Return a reader of a number, a truth or a string."""

    def read(content: object, values: Values) -> Any:
        if type(content) is not kind:
            raise NetworkError(f"an argument must be {kind.__name__}, got {quoted(content)}")
        return content

    return read


def _float(content: object, values: Values) -> float:
    if isinstance(content, str) and content in FLOATS:
        return FLOATS[content]
    if not isinstance(content, int | float):
        raise NetworkError(f"an argument must be a number, got {quoted(content)}")
    return float(content)


def _one_of(names: Mapping[int, Any]) -> Callable[[object, Values], Any]:
    """Return a reader of a number that stands for something of PyTorch."""

    def read(content: object, values: Values) -> Any:
        if not isinstance(content, int) or content not in names:
            raise NetworkError(f"an argument must be one of {[*names]}, got {quoted(content)}")
        return names[content]

    return read


def _named_or(kind: str) -> Callable[[object, Values], Any]:
    """Return a reader of a size that was computed, or of a number."""

    def read(content: object, values: Values) -> Any:
        at, inner = _only(content)
        return _value(inner, values) if at == "as_name" else read_argument({kind: inner}, values)

    return read


def _list(one: Callable[[object, Values], Any]) -> Callable[[object, Values], Any]:
    """Return a reader of a list."""

    def read(content: object, values: Values) -> Any:
        if not isinstance(content, list):
            raise NetworkError(f"an argument must be a list, got {quoted(content)}")
        return [one(each, values) for each in content]

    return read


def _nothing(content: object, values: Values) -> None:
    return None


def _cpu(content: object, values: Values) -> torch.device:
    """Return the CPU, whichever device a program was recorded on."""
    return torch.device("cpu")


READERS: Mapping[str, Callable[[object, Values], Any]] = {
    "as_none": _nothing,
    "as_tensor": _tensor,
    "as_tensors": _list(_tensor),
    "as_optional_tensor": read_argument,
    "as_optional_tensors": _list(read_argument),
    "as_bool": _plain(bool),
    "as_bools": _list(_plain(bool)),
    "as_int": _plain(int),
    "as_ints": _list(_plain(int)),
    "as_float": _float,
    "as_floats": _list(_float),
    "as_string": _plain(str),
    "as_sym_int": _named_or("as_int"),
    "as_sym_ints": _list(_named_or("as_int")),
    "as_sym_bool": _named_or("as_bool"),
    "as_sym_float": _named_or("as_float"),
    "as_scalar_type": _one_of(DTYPES),
    "as_memory_format": _one_of(MEMORY_FORMATS),
    "as_layout": _one_of({STRIDED: torch.strided}),
    "as_device": _cpu,
}
