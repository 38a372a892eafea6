"""Every case of ONNX's own node suite for the operators that are supported.

Expected outputs and tolerances are the suite's. A case whose element type PyTorch does not compute
in, or which has something else than tensors, must be refused with its reason.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from onnx.backend.test.case.test_case import TestCase
from torch import Tensor, nn

from glassconv.errors import UnsupportedError
from glassconv.networks.onnx.operators import CONVERTERS
from glassconv.networks.onnx.tensors import DTYPES
from networks.onnx.node_cases import cases, network_of, operators_of, outputs_of, tensor_of

REFUSED = "has the element type .*, which is not supported|is not a tensor"
RANDOM = "test_training_dropout"  # and not zero_ratio: what is dropped is random
WITHOUT_CASES = {"GlobalLpPool"}  # of onnx 1.23
LEAST_PASSED, MOST_REFUSED = 1000, 225  # all cases of onnx 1.23, expanded ones too


@cache
def operators() -> list[tuple[TestCase, list[str]]]:
    """Return every case of the suite, and the operators of its model."""
    return [(case, operators_of(case)) for case in cases()]


@cache
def cases_of(operator: str) -> list[TestCase]:
    """Return an operator's cases, and those in which it is expanded into others."""
    names = {case.name for case, its in operators() if its == [operator]}
    return [
        case
        for case, its in operators()
        if case.name.split("_expanded")[0] in names and set(its) <= set(CONVERTERS)
    ]


def is_random(case: TestCase) -> bool:
    return case.name.startswith(RANDOM) and "zero_ratio" not in case.name


def assert_expected(network: nn.Module, case: TestCase, inputs: slice) -> None:
    """Compare the outputs for a case's data with what the suite expects."""
    for given, expected in case.data_sets or ():
        outputs = outputs_of(network, given[inputs])
        assert len(outputs) == len(expected)
        for found, each in zip(outputs, expected, strict=True):
            torch.testing.assert_close(
                found, tensor_of(each), rtol=case.rtol, atol=case.atol, equal_nan=True
            )


def is_refused(model: ModelProto) -> bool:
    """Return whether a model has values that are no tensors of PyTorch's element types."""
    values = [each.type for each in (*model.graph.input, *model.graph.output)]
    attributes = [each for node in model.graph.node for each in node.attribute]
    types = [each.tensor_type.elem_type for each in values if each.HasField("tensor_type")]
    types += [each.i for each in attributes if each.name in ("to", "output_dtype") and each.i]
    types += [each.t.data_type for each in attributes if each.HasField("t")]
    return len(types) < len(values) or not set(types) <= set(DTYPES)


@pytest.mark.parametrize("operator", CONVERTERS)
def test_every_case_of_an_operator(operator: str, tmp_path: Path) -> None:
    for case in cases_of(operator):
        assert case.model
        if is_refused(case.model):
            with pytest.raises(UnsupportedError, match=REFUSED):
                network_of(case.model, tmp_path)
            continue
        network = network_of(case.model, tmp_path)
        if is_random(case) and case.data_sets:
            with pytest.raises(UnsupportedError, match="random"):
                outputs_of(network, case.data_sets[0][0])
        else:
            assert_expected(network, case, slice(None))


@pytest.mark.parametrize("operator", CONVERTERS)
def test_every_case_with_its_weights_in_the_file(operator: str, tmp_path: Path) -> None:
    """All inputs but the first are in the file: converters may make layers of them."""
    for case in cases_of(operator):
        if not case.model or len(case.model.graph.input) < 2 or not case.data_sets:
            continue
        if len(case.model.graph.node) > 1 or is_refused(case.model) or is_random(case):
            continue
        model = ModelProto()
        model.CopyFrom(case.model)
        for declared, value in zip(
            case.model.graph.input[1:], case.data_sets[0][0][1:], strict=True
        ):
            model.graph.initializer.append(initializer(declared.name, tensor_of(value)))
        del model.graph.input[1:]
        assert_expected(network_of(model, tmp_path), case, slice(1))


def initializer(name: str, value: Tensor) -> TensorProto:
    number = next(number for number, dtype in DTYPES.items() if dtype == value.dtype)
    same_bits = value.view(torch.int16) if value.dtype == torch.bfloat16 else value
    content = same_bits.numpy().tobytes()
    return helper.make_tensor(name, number, value.shape, content, raw=True)


def test_no_case_is_overlooked() -> None:
    """The cases tried are those of the suite, and a supported operator has one."""
    tried = [case for operator in CONVERTERS for case in cases_of(operator)]
    refused = [case for case in tried if case.model and is_refused(case.model)]
    assert len(tried) - len(refused) >= LEAST_PASSED
    assert len(refused) <= MOST_REFUSED
    assert {operator for operator in CONVERTERS if not cases_of(operator)} <= WITHOUT_CASES
