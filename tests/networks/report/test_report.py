"""What a plan reports: steps and their buffers, errors by layer, memory, and passes as listings."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from glassconv.benchmarks.peers.unet import UNet
from glassconv.codegen.pages import HUGE_PAGE
from glassconv.errors import NetworkError, UnknownNameError
from glassconv.networks.load import load
from glassconv.networks.optimize import OptimizedNetwork, optimize
from glassconv.networks.plan.plan import Plan
from glassconv.networks.report.errors import layer_errors
from glassconv.networks.report.passes import report_pass
from glassconv.networks.report.plan import memory_of
from glassconv.networks.report.times import seconds_of_steps
from glassconv.networks.usual_input import usual_shape
from support.architectures import measured
from support.networks import Block, small_network

X = torch.rand(1, 3, 32, 32)
BENCHED = (  # in docs/benchmarks.md
    "torchvision:vgg16", "torchvision:resnet18", "torchvision:resnet50",
    "torchvision:mobilenet_v2", "torchvision:efficientnet_b0", "torchvision:convnext_tiny",
)  # fmt: skip
PARTLY = (  # with operations that stay with PyTorch
    "timm:vit_tiny_r_s16_p8_224", "timm:swin_tiny_patch4_window7_224", "timm:halonet_h1",
    "timm:csatv2", "timm:hiera_tiny_224", "torchvision:vit_b_16",
)  # fmt: skip


class Kept(nn.Module):
    """Has an operation between two convolutions that stays with PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.second(torch.cumsum(self.first(x), 1))
        return output


def optimized() -> OptimizedNetwork:
    return optimize(small_network(), X)


def test_each_step_has_its_buffer_its_time_and_its_error() -> None:
    report = optimized().report(X)
    assert report.input_shapes == ((1, 3, 32, 32),)
    assert report.output_shapes == ((1, 2),)
    by_name = {each.name: each for each in report.steps}
    stem = by_name["0"]
    assert stem.problem == "1x3x32x32 16@7x5 s2 p3"
    assert stem.roofline_share is not None
    expected = 2 * stem.macs / stem.seconds
    assert stem.roofline_share > 0
    assert stem.roofline_share >= expected / report.roofline.flops_per_second
    arena = [each for each in report.steps if each.memory == "arena"]
    assert all(each.offset is not None for each in arena)
    assert max((each.offset or 0) + each.bytes for each in arena) <= report.memory.arena - HUGE_PAGE
    assert by_name["5"].memory == "output"
    assert all(each.seconds > 0 for each in report.steps)
    assert report.error is not None
    assert report.error <= report.error_limit
    assert [each.before for each in report.passes[1:]] == [e.after for e in report.passes[:-1]]


def test_an_operation_of_pytorchs_is_a_step_with_its_reason() -> None:
    steps = optimize(Kept(), X).report(X).steps
    (kept,) = (each for each in steps if each.reason)
    assert kept.kernel == "aten.cumsum.default"
    assert (kept.memory, kept.offset, kept.predicted_seconds) == ("result", None, None)
    assert kept.layer is not None


def test_errors_of_layers_are_those_of_the_values_that_they_leave() -> None:
    """A wrong weight in the plan shows at its layer and behind it, and not before."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 3))
    fast = optimize(model, X)
    plan, operations = fast.plan(X), fast.passes(X)[0][1].operations
    other = nn.Sequential(*model)
    other[2] = nn.Conv2d(8, 8, 3)
    found = layer_errors(plan, operations, other, [X])
    by_name = {plan.steps[number].name: each for number, each in found.items()}
    assert by_name["0"].error < 1e-6
    assert by_name["2"].error > 1e-3
    assert by_name["3"].error > 1e-3
    assert all(each.pytorch_error < 1e-6 for each in by_name.values())


def test_a_model_that_calls_something_else_in_float64_has_no_errors_of_layers() -> None:
    class Other(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu().neg() if x.dtype == torch.float64 else x.relu()

    fast = optimize(nn.Sequential(nn.ReLU()), X)
    operations = fast.passes(X)[0][1].operations
    with pytest.raises(NetworkError, match="other operations"):
        layer_errors(fast.plan(X), operations, Other(), [X])


class Attention(nn.Module):
    """Has attention, and matrix products of copies, between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 24, 4, 4), nn.Conv2d(8, 64, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        rows = x.flatten(2).transpose(1, 2).reshape(x.shape[0], -1, 3, 8).transpose(1, 2)
        rows = F.scaled_dot_product_attention(rows, rows, rows)
        rows = (rows @ rows.transpose(1, 2).permute(0, 2, 3, 1)).cumsum(-1) @ rows
        output: Tensor = self.second(
            rows.sum(1).transpose(1, 2).reshape(x.shape[0], 8, *x.shape[2:])
        )
        return output


class Computed(nn.Module):
    """Has convolutions that stay with PyTorch, since their weight is computed by the network."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        weight = x[:, :, :3, :3].expand(16, 16, 3, 3)
        return F.conv2d(F.conv2d(x, weight, padding=1), weight, stride=2).cumsum(1)


MODELS = {
    "kernels": small_network()[:4], "kept": Kept(), "attention": Attention(),
    "computed weights": Computed(),
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_memory_of_a_first_call_is_foretold_within_5_percent(model: nn.Module) -> None:
    check_memory(model, torch.rand(1, 3, 192, 192))


@pytest.mark.parametrize(
    "source", ["torchvision:mobilenet_v2", "timm:test_vit", "timm:test_coatnet"]
)
def test_the_memory_of_a_network_is_foretold_within_5_percent(source: str) -> None:
    model = load(source)
    check_memory(model, torch.rand(usual_shape(model)))


@pytest.mark.slow
def test_the_memory_of_a_u_net_is_foretold_within_5_percent() -> None:
    check_memory(UNet().eval(), torch.rand(1, 3, 256, 256))


@pytest.mark.slow
@pytest.mark.parametrize("source", [*BENCHED, *PARTLY])
def test_the_memory_of_many_networks_is_foretold_within_5_percent(source: str) -> None:
    model = load(source)
    check_memory(model, torch.rand(usual_shape(model)))


def check_memory(model: nn.Module, x: Tensor) -> None:
    fast = OptimizedNetwork(model, "default")
    fresh = Plan(fast.plan(x).lowered, torch.get_num_threads())
    memory = memory_of(fresh, model)

    class Call(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            return fresh(x)

    found = measured(Call(), x)
    predicted = memory.arena + memory.results
    assert abs(predicted - found) <= 0.05 * found, f"{predicted:,} predicted, {found:,} measured"


def test_packed_weights_are_counted_and_the_originals_once() -> None:
    model = nn.Sequential(nn.Conv2d(16, 16, 1, bias=False))
    memory = memory_of(
        optimize(model, torch.rand(1, 16, 8, 8)).plan(torch.rand(1, 16, 8, 8)), model
    )
    assert memory.parameters == 16 * 16 * 4
    assert memory.packed >= 16 * 16 * 4
    assert memory.peak == (
        memory.parameters + memory.packed + memory.arena + memory.inputs + memory.results
    )


def test_steps_one_by_one_return_the_same_bits() -> None:
    fast = optimized()
    plan = fast.plan(X)
    seen: list[int] = []

    def around(number: int, _: object) -> AbstractContextManager[object]:
        seen.append(number)
        return nullcontext()

    with torch.inference_mode():
        together = plan(X)
        apart = plan.run_apart([X], around)
    assert seen == list(range(len(plan.steps)))
    assert all(map(torch.equal, together, apart))
    assert len(seconds_of_steps(plan, [X])) == len(plan.steps)


def test_the_profiler_sees_steps_by_name() -> None:
    fast = optimized()
    expected = fast(X)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        found = fast(X)
    names = {each.key for each in seen.key_averages()}
    assert {step.name for step in fast.plan(X).steps} <= names
    assert torch.equal(expected, found)


def test_a_pass_lists_operations_before_and_after() -> None:
    model = nn.Sequential(Block(3), nn.Conv2d(3, 4, (3, 1), padding=(1, 0)))
    fast = optimize(model, X)
    report = report_pass("small", fast.passes(X), "fold_batch_norm")
    before = {each.name: each for each in report.before}
    assert before["0.norm"].function == "batch_norm"
    assert before["1"].arguments == (("padding", "1×0"),)
    assert before["1"].inputs == (report.before[-2].name,)
    assert before["1"].output_shapes == ((1, 4, 32, 32),)
    assert "0.norm" not in {each.name for each in report.after}
    assert report.about.startswith("Fold a batch normalisation")
    fused = report_pass("small", fast.passes(X), "fuse_elementwise")
    (gated,) = (each for each in fused.after if each.name == "0.add")
    assert gated.function == "elementwise"
    assert gated.arguments == (("expression", "elu(input · residual, 1) + weight"),)
    assert gated.inputs[1:] == ("residual=0.gate", "weight=input")


def test_a_pass_that_there_is_not_is_said() -> None:
    with pytest.raises(UnknownNameError, match="unknown pass 'fold'"):
        report_pass("small", optimized().passes(X), "fold")
