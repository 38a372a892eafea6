"""The script of examples that trains: on few images here, and its figure says what it did."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from glassconv.dispatch import dispatch, gradient_choice
from glassconv.explanation.gradients import explain_gradients
from glassconv.reports.training import Training
from glassconv.views.figures import training
from glassconv.views.figures.theme import THEMES, Theme
from support.legible_figures import assert_legible, text_of

EXAMPLES = Path(__file__).parents[1] / "examples"
EPOCHS = 4
HELD_OUT = 360  # of scikit-learn's 1,797 digits


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return `examples/train.py`, imported."""
    spec = importlib.util.spec_from_file_location("train_example", EXAMPLES / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def _by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels compute the gradients of small layers, too."""
    for dispatches in ("RECORDING", "SHARING"):
        monkeypatch.setattr(gradient_choice, dispatches, 0)
    dispatch.forget()


@pytest.mark.usefixtures("_by_kernels")
def test_both_trainings_reach_the_same_accuracy(script: ModuleType) -> None:
    """They differ by less than three standard errors of an accuracy on the held-out digits."""
    kernels = {part.kernel for part in explain_gradients("64x1x8x8 32@3x3 p1").parts}
    assert kernels != {None}
    report = script.train(script.digits(), EPOCHS, Console(quiet=True))
    reached = [run.accuracies[-1] for run in (report.ours, report.theirs)]
    assert min(reached) > 0.9
    error = (max(reached) * (1 - min(reached)) / HELD_OUT) ** 0.5
    assert abs(reached[0] - reached[1]) <= 3 * error
    assert np.array_equal(report.ours.filters[0], report.theirs.filters[0])
    assert report.ours.losses[0] == pytest.approx(report.theirs.losses[0], rel=1e-6)
    assert len(report.ours.losses) == EPOCHS * report.steps_per_epoch
    assert len(report.ours.filters) == len(report.filters_after)
    assert report.filters_after[-1] == len(report.ours.losses)


def test_mnist_has_as_many_digits_of_each_kind(script: ModuleType) -> None:
    images = script.mnist()
    assert images.pixels.shape == (5000, 1, 28, 28)
    assert (float(images.pixels.min()), float(images.pixels.max())) == (0, 1)
    assert torch.equal(images.digits.bincount(), torch.full((10,), 500))
    seen, held_out = script.split(images)
    assert (len(seen.pixels), len(held_out.pixels)) == (4000, 1000)


def test_the_script_prints_both_and_draws_in_both_themes(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = script.digits()
    few = replace(images, pixels=images.pixels[:200], digits=images.digits[:200])
    monkeypatch.setitem(script.DATA, "digits", lambda: few)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    script.main(["--epochs", "2", "--threads", str(threads)])
    printed = capsys.readouterr().out
    assert "glassconv  " in printed
    assert " s per epoch" in printed
    assert "times as fast" in printed
    for theme in THEMES:
        with Image.open(tmp_path / "training" / f"digits-{theme}.png") as picture:
            assert picture.width > 1500


# -- the figure --------------------------------------------------------------------------------


def trained(script: ModuleType, epochs: int, filters: int = 12) -> Training:
    """Return a report of random numbers."""
    random, steps = np.random.default_rng(0), 20 * epochs

    def run(name: str) -> object:
        return script.TrainedNetwork(
            name,
            tuple(2 / np.arange(1, steps + 1)),
            (0.9,) * epochs,
            (0.5,) * epochs,
            tuple(random.normal(size=(filters, 5, 5)) for _ in range(3)),
        )

    return Training("digits", "a network", (0, 7, steps), 20, run("glassconv"), run("PyTorch"))  # type: ignore[arg-type]


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
@pytest.mark.parametrize(("epochs", "filters"), [(1, 3), (30, 12)])
def test_the_figure_is_legible(script: ModuleType, theme: Theme, epochs: int, filters: int) -> None:
    report = trained(script, epochs, filters)
    figure = training.draw(report, theme)
    assert_legible(figure)
    text = text_of(figure)
    assert "glassconv   500 ms   90.0%" in text
    assert "PyTorch   500 ms   90.0%" in text
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == min(filters, training.ROWS) * 4  # three moments, and PyTorch's


def test_the_filters_that_changed_most_are_drawn(script: ModuleType) -> None:
    report = trained(script, 2)
    first, *_, last = report.ours.filters
    change = np.abs(last - first).sum((1, 2))
    drawn = [
        np.asarray(axes.images[0].get_array())
        for axes in training.draw(report, THEMES["light"]).axes
        if axes.images
    ]
    expected = first[sorted(np.argsort(-change)[: training.ROWS])]
    assert np.array_equal(drawn[: training.ROWS], expected)
