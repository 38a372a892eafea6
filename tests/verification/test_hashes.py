"""Hashes of outputs in the published order."""

from hashlib import sha256

import pytest
import torch
from typer.testing import CliRunner

from glassconv import parse
from glassconv.cli import app
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import parse_problem
from glassconv.verification.hashes import (
    INPUT,
    elements,
    hash_each,
    hash_gradients,
    suite_hash,
)

# Seen on every machine; a change of one bit of one output changes them.
KNOWN = {
    "3x32x32 4@5x5": "fc77a1e7555537ad",
    "64x14x14 32@3x3 s2 p1": "28a3ebc9d66c3f34",
    "32x15x15 32@3x3 p1 g32": "c5d88681c2f7f616",
    "100x7x7 9@1x1 float64": "d3abe00417ece1c6",
    "2x4x5x6 3@2x3x3 p1": "cdf6e6dcbfaed687",
}
# The same of gradients, of several images.
KNOWN_GRADIENTS = {
    "3x32x32 4@5x5": "bd3e209548a24546",
    "2x64x14x14 32@3x3 s2 p1": "be3d676e15ca1063",
    "2x32x15x15 32@3x3 p1 g32": "2e083e39c9418253",
    "2x100x7x7 9@1x1 float64": "f4b84eb70938fed5",
    "2x4x5x6 3@2x3x3 p1": "7fe0adb1532773d9",
    "3x20x20 4@4x4 s2 p1 transposed": "9ef9925ef99b134a",
}


def test_elements_follow_from_their_number() -> None:
    found = elements((4,), INPUT, "float32")
    expected = []
    for number in range(4):
        h = (4 * number + INPUT) * 2654435761 % 2**32
        h = (h ^ h // 2**15) * 2246822519 % 2**32
        expected.append(h // 2**8 / 2**23 - 1)
    assert found.tolist() == expected
    assert torch.equal(elements((2, 2), INPUT, "float64").flatten(), found.double())


@pytest.mark.parametrize("layout", [NCHW, NHWC])
def test_outputs_have_the_known_hashes(layout: str) -> None:
    found = {str(each.problem): each.digest[:16] for each in hash_each(map(parse, KNOWN), layout)}
    assert found == {str(parse(text)): digest for text, digest in KNOWN.items()}


@pytest.mark.parametrize("layout", [NCHW, NHWC])
def test_gradients_have_the_known_hashes(layout: str) -> None:
    problems = list(map(parse_problem, KNOWN_GRADIENTS))
    found = [each.digest[:16] for each in hash_gradients(problems, layout)]
    assert found == list(KNOWN_GRADIENTS.values())


def test_a_suites_hash_is_that_of_its_layers() -> None:
    layers = list(hash_each(map(parse, KNOWN)))
    joined = "".join(layer.digest for layer in layers).encode()
    assert suite_hash("ours", layers).digest == sha256(joined).hexdigest()


def test_the_command_prints_hashes() -> None:
    shown = CliRunner().invoke(app, ["verify", "3x32x32", "4@5x5", "--hash"])
    assert shown.exit_code == 0
    assert KNOWN["3x32x32 4@5x5"] in shown.stdout


def test_the_command_prints_hashes_of_gradients() -> None:
    shown = CliRunner().invoke(app, ["verify", "3x32x32", "4@5x5", "--hash", "--backward"])
    assert shown.exit_code == 0
    assert KNOWN_GRADIENTS["3x32x32 4@5x5"] in shown.stdout
    assert "of its gradients" in shown.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["verify"],
        ["verify", "--hash"],
        ["verify", "--suite", "resnet18"],
        ["verify", "--backward"],
    ],
)
def test_the_command_says_what_it_needs(words: list[str]) -> None:
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code != 0
