"""What the page asks is answered as PyTorch and the algorithms do, or refused with the cause."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from glassconv.algorithms import ALGORITHMS
from glassconv.explore import answers
from glassconv.explore.answers import answer
from glassconv.explore.tensors import from_document, to_document
from glassconv.problem.operands import random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.tracing.forward import trace
from support.supported_cases import supporting

SMALL = "2x6x7 4@3x2 s2x1 p1:0x1 g2"
TRACED = "2x8x8 2@3x3"


def message(kind: str, text: str = SMALL, **more: Any) -> dict[str, Any]:
    """Return what the page sends: a problem on random operands."""
    operands = random_operands(parse(text), seed=3)
    arrays = {"input": operands.input, "weight": operands.weight, "bias": operands.bias}
    written = {k: to_document(to_numpy(v)) for k, v in arrays.items() if v is not None}
    return {"type": kind, "id": 7, "problem": text, **written, **more}


@pytest.mark.parametrize("text", [SMALL, SMALL + " float64", SMALL + " nobias", "2x9 3@4"])
def test_convolve_is_pytorchs(text: str) -> None:
    answered = answer(json.loads(json.dumps(message("convolve", text))))
    expected = trace(parse(text), "aten", random_operands(parse(text), seed=3)).output
    assert (answered["type"], answered["id"]) == ("convolve", 7)
    np.testing.assert_array_equal(from_document(answered["output"], "output"), expected)


@pytest.mark.parametrize("algorithm", sorted(set(ALGORITHMS) - set(supporting(parse(TRACED)))))
def test_a_trace_is_refused_with_the_algorithms_reason(algorithm: str) -> None:
    answered = answer(message("trace", TRACED, algorithm=algorithm))
    assert ALGORITHMS[algorithm].supports(parse(TRACED)).reason in answered["error"]


@pytest.mark.parametrize("algorithm", supporting(parse(TRACED)))
def test_a_trace_is_the_algorithms_own(algorithm: str) -> None:
    answered = answer(message("trace", TRACED, algorithm=algorithm))
    traced = trace(parse(TRACED), algorithm, random_operands(parse(TRACED), seed=3))
    assert answered["algorithm"] == algorithm
    for written, step in zip(answered["steps"], traced.steps, strict=True):
        back, expected = from_document(written["array"], step.name), step.array
        if np.iscomplexobj(expected):
            back = back[..., 0] + 1j * back[..., 1]
            assert written["axes"] == [*step.axes, "real, imaginary"]
        np.testing.assert_array_equal(back, expected)
        assert (written["name"], written["note"]) == (step.name, step.note)


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        ([], "a message is an object"),
        ({"id": 7}, "of type convolve or trace, not None"),
        ({"id": 7, "type": {}}, "of type convolve or trace, not {}"),
        ({"id": 7, "type": "convolve"}, "problem must be shorthand, not None"),
        (message("convolve", problem="3x8"), "a problem needs an input and filters"),
        (message("convolve", problem="2x6x8 4@3x2"), "the input must be of shape"),
        (message("convolve", input=5), "the input must be an object"),
        (message("convolve", weight=None), "the weight must be an object"),
        (message("convolve", bias=None), "the bias must be an object"),
        (message("convolve", problem="512x512x512 512@5x5"), "multiply-adds, and up to"),
        (message("trace"), "algorithm must be a name, not None"),
        (message("trace", algorithm="im2cow"), "did you mean 'im2col'"),
        (message("trace", algorithm="pointwise"), "pointwise"),
        (message("convolve", problem=SMALL + " float64"), "the input must be float64"),
    ],
)
def test_what_cannot_be_answered_is_refused(sent: Any, cause: str) -> None:
    answered = answer(sent)
    assert answered["type"] == "error"
    assert cause in answered["error"]
    assert answered["id"] == (sent["id"] if sent else None)


@pytest.mark.parametrize(
    ("limit", "what"),
    [("MOST_ANSWER_BYTES", "steps"), ("MOST_WORKSPACE_BYTES", "workspace")],
)
def test_arrays_too_large_to_send_are_refused(
    monkeypatch: pytest.MonkeyPatch, limit: str, what: str
) -> None:
    monkeypatch.setattr(answers, limit, 100)
    refused = answer(message("trace", "2x8x8 2@3x3", algorithm="im2col"))
    assert f"its {what} would take" in refused["error"]


def test_an_output_too_large_to_send_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWER_BYTES", 100)
    assert "its output would take" in answer(message("convolve"))["error"]
