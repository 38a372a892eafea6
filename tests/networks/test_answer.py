"""The answer of a network: classes where it is a classifier, and what it returns otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from glassconv.errors import DataError
from glassconv.networks.answer import LARGEST_FILE, answer, read_labels
from glassconv.networks.optimize import optimize

X = torch.rand(1, 3, 8, 8)


class Scores(nn.Module):
    """Returns these scores, whatever it is given."""

    def __init__(self, *scores: float, rows: int = 1) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor([scores] * rows))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores + 0 * x.mean()


def test_the_five_most_probable_classes_have_the_softmax_of_their_scores() -> None:
    scores = (1.0, 5.0, -2.0, 3.0, 0.0, 2.0)
    labels = [f"label {number}" for number in range(6)]
    found = answer(optimize(Scores(*scores), X), X, labels, "net")
    expected = torch.tensor(scores, dtype=torch.float64).softmax(0)
    assert [each.number for each in found.classes] == [1, 3, 5, 0, 4]
    assert [each.label for each in found.classes] == [labels[n] for n in (1, 3, 5, 0, 4)]
    for each in found.classes:
        assert each.probability == pytest.approx(float(expected[each.number]), rel=1e-6)
    assert found.outputs == ()


def test_probabilities_stay_as_they_are() -> None:
    found = answer(optimize(Scores(0.25, 0.75), X), X)
    assert [(each.number, each.probability) for each in found.classes] == [(1, 0.75), (0, 0.25)]


def test_other_outputs_have_their_shapes_and_ranges() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"a": x.clamp(0.25, 0.5), "b": x.flatten(1).argmax(1), "c": x[:, :0]}

    found = answer(optimize(Two(), X), X)
    first, second, empty = found.outputs
    assert (first.shape, first.dtype) == ((1, 3, 8, 8), "float32")
    assert (first.smallest, first.largest) == (0.25, 0.5)
    assert second.dtype == "int64"
    assert (empty.smallest, empty.largest) == (None, None)
    assert found.classes == ()
    assert answer(optimize(Scores(1.0, 2.0, rows=2), X), X).classes == ()


def test_labels_must_be_as_many_as_classes() -> None:
    with pytest.raises(DataError, match="3 labels for 2 classes"):
        answer(optimize(Scores(1.0, 2.0), X), X, ["a", "b", "c"])


def test_a_file_of_labels_is_text(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("cat\ndog\n")
    assert read_labels(file) == ["cat", "dog"]
    for content, said in (
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (b"", "has no labels"),
        (b"a\n" * LARGEST_FILE, "too many"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=said):
            read_labels(file)
    with pytest.raises(DataError, match="No such file"):
        read_labels(tmp_path / "none.txt")
