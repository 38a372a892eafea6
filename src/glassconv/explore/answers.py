"""What Python computes for the page: PyTorch's convolution, and the steps of any algorithm.

A message is {"type": "convolve" or "trace", "id": anything, "problem": shorthand, "input", "weight"
and, unless the problem has none, "bias": arrays}; of a trace also "algorithm", a name. Its answer
repeats type and id. A refusal is {"type": "error", "id", "error": the sentence}.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from glassconv.algorithms import named
from glassconv.dispatch.select import chosen
from glassconv.errors import ConvError, DataError, UnsupportedError
from glassconv.explore.tensors import from_document, to_document
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.reports.trace import Step
from glassconv.tracing.forward import trace

MOST_MACS = 50_000_000_000  # some seconds
MOST_ANSWER_BYTES = 64 * 2**20
MOST_WORKSPACE_BYTES = 2**30


def answer(message: object) -> dict[str, Any]:
    """Return the answer to a message of the page."""
    id = message.get("id") if isinstance(message, dict) else None
    try:
        return {"id": id, **_answer(message)}
    except ConvError as error:
        return {"type": "error", "id": id, "error": str(error)}


def _answer(message: object) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise DataError("a message is an object")
    match message.get("type"):
        case "convolve":
            return {"type": "convolve", "output": _convolve(*_operands(message))}
        case "trace":
            problem, operands = _operands(message)
            return {"type": "trace", **_trace(problem, operands, message.get("algorithm"))}
        case other:
            raise DataError(f"a message is of type convolve or trace, not {other!r:.60}")


def _convolve(problem: ConvProblem, operands: Operands) -> dict[str, Any]:
    _limit(problem, problem.output_bytes, "output", MOST_ANSWER_BYTES)
    with torch.no_grad():
        output = named("aten").run(problem, operands.input, operands.weight, operands.bias)
    return to_document(to_numpy(output))


def _trace(problem: ConvProblem, operands: Operands, algorithm: object) -> dict[str, Any]:
    if not isinstance(algorithm, str):
        raise DataError(f"algorithm must be a name, not {algorithm!r:.60}")
    runs = named(chosen(problem, algorithm, "any").name)
    _limit(problem, runs.cost(problem).workspace_bytes, "workspace", MOST_WORKSPACE_BYTES)
    steps = trace(problem, runs.name, operands).steps
    _limit(problem, sum(step.array.nbytes for step in steps), "steps", MOST_ANSWER_BYTES)
    return {"algorithm": runs.name, "steps": list(map(_step, steps))}


def _step(step: Step) -> dict[str, Any]:
    """Write a step; of complex numbers the two parts are a last axis."""
    array, axes = step.array, step.axes
    if np.iscomplexobj(array):
        array, axes = np.stack([array.real, array.imag], axis=-1), (*axes, "real, imaginary")
    document = to_document(array)
    return {"name": step.name, "axes": list(axes), "note": step.note, "array": document}


def _operands(message: dict[str, Any]) -> tuple[ConvProblem, Operands]:
    """Return a message's problem and arrays, once they fit each other and the time there is."""
    text = message.get("problem")
    if not isinstance(text, str):
        raise DataError(f"problem must be shorthand, not {text!r:.60}")
    problem = parse(text)
    if problem.macs > MOST_MACS:
        cause = f"it takes {problem.macs:,} multiply-adds, and up to {MOST_MACS:,} are computed"
        raise UnsupportedError(cause, request=str(problem))
    names = ("input", "weight", "bias") if problem.bias else ("input", "weight")
    arrays = {name: torch.from_numpy(from_document(message.get(name), name)) for name in names}
    operands = Operands(arrays["input"], arrays["weight"], arrays.get("bias"))
    operands.check(problem)
    return problem, operands


def _limit(problem: ConvProblem, size: int, what: str, most: int) -> None:
    if size > most:
        cause = f"its {what} would take {size / 1e6:.0f} MB, and up to {most / 1e6:.0f} are given"
        raise UnsupportedError(cause, request=str(problem))
