"""Arrays as the page writes and reads them: a shape, an element type, and base64 of the bytes."""

from __future__ import annotations

import base64
import binascii
from math import prod
from typing import Any

import numpy as np

from glassconv.errors import DataError
from glassconv.reports.array import Array

# Little-endian on every machine.
DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float64": np.dtype("<f8")}


def to_document(array: Array) -> dict[str, Any]:
    """Write an array: float64 as it is, whole numbers as float64, all else in float32.

    >>> to_document(np.array([[1.0, -2.0]], dtype=np.float32))
    {'shape': [1, 2], 'dtype': 'float32', 'data': 'AACAPwAAAMA='}
    """
    dtype = "float64" if array.dtype == np.float64 or array.dtype.kind in "iu" else "float32"
    data = np.ascontiguousarray(array, DTYPES[dtype]).tobytes()
    return {
        "shape": list(array.shape),
        "dtype": dtype,
        "data": base64.b64encode(data).decode("ascii"),
    }


def from_document(document: object, name: str) -> Array:
    """Read an array; raises `DataError`, with the name, for anything but what is written above.

    >>> from_document({"shape": [1, 2], "dtype": "float32", "data": "AACAPwAAAMA="}, "input")
    array([[ 1., -2.]], dtype=float32)
    """
    if not isinstance(document, dict) or document.keys() != {"shape", "dtype", "data"}:
        raise DataError(f"the {name} must be an object of shape, dtype and data")
    shape, dtype, data = document["shape"], document["dtype"], document["data"]
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise DataError(f"the {name}'s shape must be a list of whole numbers, not {shape!r:.60}")
    if dtype not in tuple(DTYPES):
        raise DataError(f"the {name} must be {' or '.join(DTYPES)}, not {dtype!r:.60}")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise DataError(f"the {name}'s data is not base64") from None
    expected = prod(shape) * DTYPES[dtype].itemsize
    if len(content) != expected:
        raise DataError(f"the {name}'s data is {len(content)} bytes, its shape needs {expected}")
    try:
        array: Array = np.frombuffer(content, DTYPES[dtype]).reshape(shape)
    except ValueError:  # more axes than NumPy has, or a size beside a 0 that overflows
        raise DataError(f"the {name} has a shape that no array has: {shape!r:.60}") from None
    return array.astype(dtype)  # a copy, in this machine's own order of bytes
