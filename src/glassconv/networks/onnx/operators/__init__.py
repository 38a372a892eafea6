"""What ONNX's operators become: a converter for each, found by listing this folder.

A module of this folder has a table CONVERTERS from an operator's name to a function from a `Node`
to a `Call`, a `SizesCall`, or a tensor for a constant. What is called gets the inputs as tensors.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor

from glassconv.networks.onnx.node import Call, Node, SizesCall

Converter = Callable[[Node], Call | SizesCall | Tensor]


def _found() -> Mapping[str, Converter]:
    """Return the converters of every module here; raise if two convert the same operator."""
    converters: dict[str, Converter] = {}
    for name in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for operator, converter in importlib.import_module(f"{__name__}.{name}").CONVERTERS.items():
            if operator in converters:
                raise ImportError(f"{name} converts {operator}, as another module does")
            converters[operator] = converter
    return MappingProxyType(converters)


CONVERTERS = _found()
