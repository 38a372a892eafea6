"""The cases of ONNX's own node suite, operator by operator."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto, TensorProto
from onnx.backend.test.case import node as suite
from onnx.backend.test.case.test_case import TestCase
from torch import Tensor, nn

from glassconv.networks.onnx import from_onnx
from glassconv.networks.onnx.tensors import TensorReader


@cache
def cases() -> tuple[TestCase, ...]:
    """Return every case of the suite; that takes some seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, for expected values that are infinite
        for module in pkgutil.iter_modules(suite.__path__):
            if module.name != "image_decoder":  # not a network's, and needs another package
                importlib.import_module(f"{suite.__name__}.{module.name}")
    return tuple(case for case in suite._NodeTestCases if case.model is not None)


def operators_of(case: TestCase) -> list[str]:
    """Return the operators of a case's model."""
    assert case.model
    return [node.op_type for node in case.model.graph.node]


def network_of(model: ModelProto, folder: Path) -> nn.Module:
    """Return a model as a network, through a file."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return from_onnx(path)


def outputs_of(network: nn.Module, inputs: Sequence[object]) -> list[Tensor]:
    """Return a network's outputs."""
    with torch.no_grad():
        found = network(*map(tensor_of, inputs))
    return list(found) if isinstance(found, tuple) else [found]


def tensor_of(value: object) -> Tensor:
    """Return a case's input or expected output: an array, or a tensor as a file has it."""
    if isinstance(value, TensorProto):
        return TensorReader(Path()).read(value, value.name)
    array = np.array(value)
    if array.dtype.name == "bfloat16":  # another package's
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
