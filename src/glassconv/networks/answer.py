"""The answer of a network: the most probable classes, or what else it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from glassconv.errors import DataError
from glassconv.networks.optimize import OptimizedNetwork
from glassconv.networks.tensors import tensors_in
from glassconv.reports.answer import Answer, ClassFacts, OutputFacts

MOST = 5  # classes
ROUNDING = 1e-3  # of probabilities that a network returns, whose sum is 1
LARGEST_FILE = 1 << 20  # bytes of labels: 20,000 of them


def answer(
    network: OptimizedNetwork, input: Tensor, labels: Sequence[str] = (), name: str = ""
) -> Answer:
    """Return what a network returns for an input, of one image.

    labels: of the classes, in their order. name: what to call the network.

    Raises `DataError` where the number of labels is not that of the classes.
    """
    with torch.inference_mode():
        outputs = list(tensors_in(network(input)))
    classes: tuple[ClassFacts, ...] = ()
    if len(outputs) == 1 and _is_row_of_classes(outputs[0]):
        classes = tuple(_most_probable(outputs[0][0], labels))
    facts = () if classes else tuple(map(_facts, outputs))
    return Answer(name, "", classes, facts, network.reasons)


def read_labels(file: Path) -> list[str]:
    """Return the lines of a file of labels; raises `DataError` for one that has none."""
    try:
        size = file.stat().st_size
        lines = file.read_text("utf-8").splitlines() if size <= LARGEST_FILE else []
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text in UTF-8, one label on each line") from None
    if size > LARGEST_FILE:
        raise DataError(f"{file} has more than {LARGEST_FILE:,} bytes, too many for labels")
    if not lines:
        raise DataError(f"{file} has no labels, one on each line")
    return lines


def _is_row_of_classes(output: Tensor) -> bool:
    return output.dim() == 2 and len(output) == 1 and output.shape[1] > 1


def _most_probable(scores: Tensor, labels: Sequence[str]) -> Iterator[ClassFacts]:
    if labels and len(labels) != len(scores):
        raise DataError(f"there are {len(labels):,} labels for {len(scores):,} classes")
    probabilities = scores.double()
    is_done = bool((scores >= 0).all()) and abs(float(probabilities.sum()) - 1) < ROUNDING
    if not is_done:
        probabilities = probabilities.softmax(0)
    found, numbers = probabilities.topk(min(MOST, len(scores)))
    for probability, number in zip(found.tolist(), numbers.tolist(), strict=True):
        yield ClassFacts(number, labels[number] if labels else "", probability)


def _facts(output: Tensor) -> OutputFacts:
    dtype = str(output.dtype).removeprefix("torch.")
    if not output.numel() or output.is_complex():
        return OutputFacts(tuple(output.shape), dtype, None, None)
    return OutputFacts(tuple(output.shape), dtype, float(output.min()), float(output.max()))
