"""Parts of concatenations are written into slices: the same bits as copies, and nothing beside.

Each network is planned with slices and without. Memory holds NaN before the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glassconv.networks import planning
from glassconv.networks.plan import lower
from glassconv.networks.plan.plan import Plan
from glassconv.networks.plan.steps import KernelStep
from glassconv.problem.memory_layout import NCHW, NHWC
from support.optimized import Calls, check, optimized
from support.random_concatenations import RandomConcatenations

LAYOUTS = (NCHW, NHWC)
X = torch.randn(1, 8, 8, 12, generator=torch.Generator().manual_seed(0))
Planned = Callable[..., tuple[Plan, int]]


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let plans have a memory layout, whatever is predicted to be faster."""
    monkeypatch.setattr(planning, "fastest_layout", lambda network, accuracy: request.param)
    return str(request.param)


@pytest.fixture
def planned(layout: str, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Return the plan of a network, and how many parts it copies.

    Its outputs must be those of a plan without slices. Copies at its start and its end, which
    change the memory layout, are not counted.
    """

    def plan(model: nn.Module, *inputs: Tensor) -> tuple[Plan, int]:
        sliced = optimized(model).plan(*inputs)
        with monkeypatch.context() as without:
            without.setattr(lower, "slices_of", lambda builder: {})
            copied = optimized(model).plan(*inputs)
        expected = copied(*inputs)
        with sliced._memory() as memory:
            memory.arena.fill_(0xFF)
        for _ in range(2):  # the second call finds memory that the first one has used
            found = sliced(*inputs)
            for one, other in zip(found, expected, strict=True):
                assert torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0))
        write_nothing_beside(sliced, inputs)
        return sliced, copies(sliced)

    return plan


def copies(plan: Plan) -> int:
    """Return how many copies follow a kernel and are followed by one."""
    kernels = [isinstance(each, KernelStep) and each.kernel != "copy" for each in plan.steps]
    if not any(kernels):
        return len(kernels)
    first, last = kernels.index(True), len(kernels) - kernels[::-1].index(True)
    return kernels[first:last].count(False)


def write_nothing_beside(plan: Plan, inputs: tuple[Tensor, ...]) -> None:
    """Compare the memory that each kernel writes to, but for its output, before and after it."""

    @contextmanager
    def watched(number: int, memory: Mapping[int, Tensor]) -> Iterator[None]:
        step = plan.steps[number]
        if not isinstance(step, KernelStep):
            yield
            return
        before = memory[step.output.root].clone()
        yield
        after = memory[step.output.root].clone()
        for each in (before, after):
            step.output.of(each).zero_()
        assert torch.equal(before, after), step.name

    plan.run_apart(inputs, watched)


def convolution(channels: int, filters: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, kernel, padding=kernel // 2)


# -- blocks of networks -------------------------------------------------------------------------


def dense_block(growth: int, parts: int) -> nn.Module:
    """Return a block as torchvision's DenseNet has it."""

    def forward(first: nn.Module, *given: Any) -> Tensor:
        *layers, x = given
        values = [first(x)]
        for layer in layers:
            values.append(layer(torch.cat(values, 1)))
        return torch.cat(values, 1).relu()

    widths = [8 + growth * number for number in range(parts)]
    layers = (
        nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), convolution(width, 16, 1), nn.ReLU(),
            convolution(16, growth),
        )
        for width in widths
    )  # fmt: skip
    return Calls(forward, convolution(8, 8, 1), *layers).eval()


@pytest.mark.parametrize("growth", [4, 16, 5])
def test_a_dense_block_is_one_buffer_that_grows(planned: Planned, growth: int) -> None:
    for x in (X, X.expand(2, 8, 8, 12)):
        plan, copied = planned(dense_block(growth, 4), x)
        assert copied == 0
        assert not any(each.kernel == "copy" for each in plan.steps[1:-1])  # type: ignore[union-attr]


def test_a_value_that_grows_by_concatenations_with_itself(planned: Planned) -> None:
    def forward(*given: Any) -> Tensor:
        *layers, last, x = given
        for layer in layers:
            x = torch.cat([x, layer(x)], 1)
        result: Tensor = last(x)
        return result

    layers = [nn.Sequential(convolution(8 + 4 * n, 4, 1), nn.ReLU()) for n in range(3)]
    _, copied = planned(Calls(forward, *layers, convolution(20, 3, 1)), X)
    assert copied <= 1  # the input


def test_the_blocks_of_googlenet_and_of_squeezenet(planned: Planned) -> None:
    def inception(a: nn.Module, b: nn.Module, c: nn.Module, last: nn.Module, x: Tensor) -> Tensor:
        pooled = c(F.max_pool2d(x, 3, 1, 1))
        result: Tensor = last(torch.cat([a(x), b(x).relu(), pooled], 1))
        return result

    layers = convolution(8, 16, 1), convolution(8, 24), convolution(8, 8, 1)
    _, copied = planned(Calls(inception, *layers, convolution(48, 4, 1)), X)
    assert copied == 0
    _, copied = planned(Calls(inception, *layers, convolution(48, 4, 1)), X.expand(3, 8, 8, 12))
    assert copied == 0


@pytest.mark.parametrize("up", ["transposed", "nearest", "bilinear"])
def test_a_skip_of_a_unet(planned: Planned, up: str) -> None:
    def forward(a: nn.Module, b: nn.Module, up: nn.Module, c: nn.Module, x: Tensor) -> Tensor:
        skip = a(x).relu()
        result: Tensor = c(torch.cat([skip, up(b(F.max_pool2d(skip, 2)))], -3))
        return result

    ups = {
        "transposed": nn.ConvTranspose2d(32, 16, 2, 2),
        "nearest": nn.Upsample(scale_factor=2),
        "bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
    }
    joined = 16 + (16 if up == "transposed" else 32)
    layers = convolution(8, 16), convolution(16, 32), ups[up], convolution(joined, 8)
    _, copied = planned(Calls(forward, *layers), X)
    assert copied == (up == "nearest")  # which is a copy itself


def test_an_atrous_pyramid(planned: Planned) -> None:
    def forward(*given: Any) -> Tensor:
        *layers, pooled, last, x = given
        parts = [layer(x).relu() for layer in layers]
        mean = pooled(F.adaptive_avg_pool2d(x, 1)).relu()
        parts.append(F.interpolate(mean, (8, 12), mode="bilinear"))
        result: Tensor = last(torch.cat(parts, 1))
        return result

    layers = [nn.Conv2d(8, 16, 3, padding=each, dilation=each) for each in (1, 2, 3)]
    network = Calls(forward, *layers, convolution(8, 16, 1), convolution(64, 8, 1))
    assert planned(network, X)[1] == 0


# -- values that are needed elsewhere -----------------------------------------------------------


def copied(planned: Planned, function: Callable[..., object], *inputs: Tensor) -> int:
    """Return how many copies the plan of a function of two convolutions has."""
    a, b = convolution(8, 16, 1), convolution(16, 16, 1)
    return planned(Calls(function, a, b), *(inputs or (X,)))[1]


def test_a_value_that_is_a_part_twice_is_copied_once(planned: Planned) -> None:
    assert copied(planned, lambda a, b, x: torch.cat([y := a(x), y, b(y)], 1).relu()) == 1


def test_a_value_in_two_concatenations_is_copied_into_the_first(planned: Planned) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        y, z = a(x), F.max_pool2d(x, 3, 1, 1)
        one, other = torch.cat([y, z], 1), torch.cat([z, y.relu(), y], 1)
        return torch.cat([one.sigmoid(), other.tanh()], 1).relu()

    assert copied(planned, forward) == 2


def test_inputs_and_constants_are_copied(planned: Planned) -> None:
    constant, x = torch.rand(1, 3, 8, 12), X.clone()
    assert copied(planned, lambda a, b, x: torch.cat([a(x), x, constant], 1).relu(), x) == 2
    assert torch.equal(x, X)


def test_what_is_returned_has_memory_of_its_own(planned: Planned) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
        y, z = a(x), b(a(x))
        joined = torch.cat([y, z, z.sigmoid()], 1)
        return y, joined, z.flatten(2), torch.cat([joined, joined.relu()], 1)

    plan, _ = planned(Calls(forward, convolution(8, 16, 1), convolution(16, 16, 1)), X)
    with torch.no_grad():
        found = plan(X)
    expected = [each.clone() for each in found]
    for number, each in enumerate(found):
        each.fill_(-1)
        for later in range(number + 1, len(found)):
            assert torch.equal(found[later], expected[later])


def test_a_residual_is_not_copied_more_often(planned: Planned, layout: str) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        y = a(x)
        return torch.cat([y, b(y) + y], 1).relu()

    # In channels last a slice has other strides than what is added to it.
    assert copied(planned, forward) == (2 if layout == NHWC else 0)
    assert copied(planned, forward, X.expand(2, 8, 8, 12)) == 2


def test_operations_in_place(planned: Planned) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        y, z = a(x), a(x)
        joined = torch.cat([y, z.relu_(), b(y)], 1)
        y.mul_(2)
        return joined.relu_(), y.add_(1)

    copied(planned, forward)


def test_halves_of_a_value_and_what_follows_from_them(planned: Planned) -> None:
    def forward(a: nn.Module, b: nn.Module, c: nn.Module, x: Tensor) -> Tensor:
        parts = list(a(x).chunk(2, 1))
        parts.append(b(parts[-1]))
        parts.append(b(parts[-1]))
        result: Tensor = c(torch.cat(parts, 1))
        return result

    layers = convolution(8, 32, 1), convolution(16, 16), convolution(64, 8, 1)
    assert planned(Calls(forward, *layers), X)[1] == 2  # the halves


# -- shapes and types ---------------------------------------------------------------------------


@pytest.mark.parametrize("axis", range(-4, 4))
@pytest.mark.parametrize("batch", [1, 2])
def test_each_axis(planned: Planned, axis: int, batch: int) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        y = a(x)
        return torch.cat([b(y), F.max_pool2d(y, 3, 1, 1), torch.sigmoid(y)], axis).relu()

    x = X.expand(batch, 8, 8, 12)
    assert copied(planned, forward, x) <= 1


def test_an_empty_part_and_a_single_one(planned: Planned) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        y = a(x)
        single = torch.cat([y, y[:, :0]], 1)
        return torch.cat([torch.cat([single], 1), b(y)], 1).relu()

    copied(planned, forward)
    copied(planned, lambda a, b, x: torch.cat([a(x), b(a(x))], 0).relu(), X[:0])


def test_sequences(planned: Planned) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        y = a(x)
        return torch.cat([b(y), F.avg_pool1d(y, 3, 1, 1), y], 1).relu()

    for batch in (1, 2):
        layers = nn.Conv1d(4, 6, 3, padding=1), nn.Conv1d(6, 5, 3, padding=1)
        # Whether the kernel of the second layer reads gaps depends on the processor's vectors.
        assert planned(Calls(forward, *layers), torch.randn(batch, 4, 40))[1] <= 1


def test_volumes_and_other_types_stay_with_pytorch() -> None:
    volume = nn.Conv3d(2, 3, 3, padding=1)
    check(Calls(lambda a, x: torch.cat([a(x), a(x).relu(), x], 1).relu(), volume),
          torch.randn(1, 2, 4, 5, 6))  # fmt: skip
    layer = convolution(8, 8)
    model = Calls(lambda a, x: torch.cat([a(x), a(x.relu()), x], 1).relu(), layer)
    check(model.double(), X.double())
    model.bfloat16()
    expected, found = model(X.bfloat16()), optimized(model)(X.bfloat16())
    assert torch.equal(found, expected)


def test_views_by_strides_see_what_they_did(planned: Planned) -> None:
    def forward(a: nn.Module, b: nn.Module, x: Tensor) -> Tensor:
        y = a(x)
        z = torch.relu(y).contiguous().as_strided((4, 8), (1, 3), 5)
        return torch.cat([y, b(y)], 1) * z.sum()

    copied(planned, forward)


# -- random networks ----------------------------------------------------------------------------


@pytest.mark.parametrize("start", range(0, 60, 10))
def test_a_slice_of_random_networks(planned: Planned, start: int) -> None:
    for seed in range(start, start + 10):
        model = RandomConcatenations(seed)
        planned(model, model.example)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(60, 2060, 50))
def test_many_random_networks(planned: Planned, start: int) -> None:
    for seed in range(start, start + 50):
        model = RandomConcatenations(seed)
        planned(model, model.example)
