"""Every kernel of the folder, held to the definition with each buffer beside a closed page."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from glassconv.algorithms import named
from glassconv.kernels import KERNELS, Kernel
from glassconv.kernels.gemm_parts import blocking as gemm_blocking
from glassconv.kernels.runtime.plan import Plan
from glassconv.problem import ConvProblem
from glassconv.problem.memory_layout import NCHW, NHWC, Layout, layout_of
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.shorthand import parse
from glassconv.verification.stress_inputs import STRESS_INPUTS
from glassconv.verification.verify import judge
from support import guard_pages
from support.compile_function import this_machine
from support.guard_pages import SIDES, call_guarded
from support.kernel_problems import PROBLEMS, TYPES
from support.memory_layouts import LAYOUTS
from support.random_kernels import draw

KERNEL = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)

ABLE = pytest.mark.parametrize(
    ("kernel", "problem"),
    [
        pytest.param(kernel, problem, id=f"{kernel.name}-{name}")
        for kernel in KERNELS.values()
        for name, problem in PROBLEMS.items()
        if kernel.supports(problem, NCHW) or kernel.supports(problem, NHWC)
    ],
)
# A problem for each kernel in each layout, with more of everything than one task or tile takes.
LARGER = [
    parse(text)
    for text in (
        "2x24x30x31 40@3x3 p1",
        "3x64x14x14 70@1x1",
        "2x36x29x30 36@3x3 p1 g36",
        "1x3x50x51 20@7x7 s2 p3",
        "2x16x20x21 24@3x3 p1 g2 float64",
        "2x24x30x31 40@3x3 s2 p1",
        "3x480x1x1 130@1x1 g2",
    )
]


def module_of(kernel: Kernel) -> ModuleType:
    return importlib.import_module(f"glassconv.kernels.{kernel.name}")


def many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels cut small problems as they cut large ones; `ordered` has parts of others."""
    for kernel in KERNELS.values():
        if hasattr(module_of(kernel), "MIN_MACS_PER_TASK"):
            monkeypatch.setattr(module_of(kernel), "MIN_MACS_PER_TASK", 1)
    monkeypatch.setattr(gemm_blocking, "MIN_MACS_PER_TASK", 1)


def lying(problem: ConvProblem, operands: Operands, layout: str) -> Operands:
    return Operands(LAYOUTS[layout](operands.input), operands.weight, operands.bias)


def layouts(problem: ConvProblem, names: Iterable[str] = LAYOUTS) -> Iterable[str]:
    """Return memory layouts to try: inputs of three axes come to a kernel without gaps."""
    return names if problem.ndim < 3 else ["contiguous"]


def bits(tensor: Tensor) -> Tensor:
    """Return what tells NaN from NaN and −0 from 0."""
    whole = torch.int32 if tensor.element_size() == 4 else torch.int64
    return tensor.contiguous().view(whole)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# -- the definition ---------------------------------------------------------------------------


@ABLE
def test_every_layout_is_within_the_bound_beside_closed_pages(
    kernel: Kernel, problem: ConvProblem
) -> None:
    bound, tried = named(kernel.name).error_bound(problem), 0
    drawn = random_operands(problem)
    for layout in layouts(problem):
        operands = lying(problem, drawn, layout)
        lies = layout_of(operands.input)
        if lies is None or not kernel.supports(problem, lies.name):
            continue
        plan = kernel.plan(problem, lies)
        for side in SIDES:
            output = to_numpy(call_guarded(plan, operands, side))
            found = judge(problem, kernel.name, output, operands, bound)
            assert found.verdict, f"{layout}, page {side}: {found.verdict.reason}"
        tried += 1
    assert tried


@ABLE
def test_small_caches_and_many_tasks_change_nothing_but_blocks(
    kernel: Kernel, problem: ConvProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_tasks(monkeypatch)
    bound, tried = named(kernel.name).error_bound(problem), 0
    for layout in layouts(problem, ("sliced", "sliced, channels last")):
        operands = lying(problem, random_operands(problem, seed=1), layout)
        lies = layout_of(operands.input)
        if lies is None or not kernel.supports(problem, lies.name):
            continue
        plan = kernel.plan_for(problem, lies, this_machine(l2=2**12), 2)
        output = to_numpy(call_guarded(plan, operands, "after"))
        found = judge(problem, kernel.name, output, operands, bound)
        assert found.verdict, f"{layout}: {found.verdict.reason}"
        tried += 1
    assert tried


@KERNEL
@pytest.mark.parametrize("kind", STRESS_INPUTS)
def test_hard_operands_stay_within_the_bound(kernel: Kernel, kind: str) -> None:
    tried = 0
    dense, depthwise, one_pixel = "3x9x33 4@3x3 p1", "4x17x18 4@3x3 p1 g4", "2x19x1x1 5@1x1"
    for text in (dense, f"{dense} s2", depthwise, one_pixel, f"{dense} float64"):
        problem = parse(text)
        bound = named(kernel.name).error_bound(problem)
        for layout in ("contiguous", "channels last"):
            operands = lying(problem, STRESS_INPUTS[kind].make(problem, 0), layout)
            lies = layout_of(operands.input)
            assert lies is not None
            if not kernel.supports(problem, lies.name):
                continue
            output = to_numpy(call_guarded(kernel.plan(problem, lies), operands, "after"))
            found = judge(problem, kernel.name, output, operands, bound)
            assert found.verdict, f"{problem}, {layout}: {found.verdict.reason}"
            tried += 1
    assert tried


@pytest.mark.thorough
@pytest.mark.parametrize(
    "seeds", [range(200), range(200, 400), pytest.param(range(400, 4000), marks=pytest.mark.slow)]
)
def test_random_problems_stay_within_the_bound(seeds: range) -> None:
    """docs/verification.md records a hundred thousand."""
    tried = Counter[str]()
    for seed in seeds:
        trial = draw(random.Random(seed))
        for kernel in KERNELS.values():
            found = trial.of(kernel)
            if found is not None:
                assert found.verdict, f"{kernel.name}, {seed}, {trial}: {found.verdict.reason}"
                tried[kernel.name] += 1
    assert set(tried) == set(KERNELS)


@pytest.mark.thorough
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_random_problems_reach_every_kernel(kernel: Kernel) -> None:
    drawn = [draw(random.Random(seed)) for seed in range(400)]
    taken = [
        trial
        for trial in drawn
        if (lies := layout_of(trial.operands().input)) is not None
        and kernel.supports(trial.problem, lies.name)
    ]
    assert len(taken) >= 15
    assert {trial.problem.dtype for trial in taken} == set(TYPES)


def test_random_problems_are_of_every_sort() -> None:
    drawn = [draw(random.Random(seed)).problem for seed in range(400)]
    for asked in (
        lambda p: p.batch == 0,
        lambda p: p.groups > 1,
        lambda p: p.ndim == 1,
        lambda p: set(p.input_size) == {1},
        lambda p: set(p.output_size) == {1},
        lambda p: max(p.stride) > 2,
        lambda p: any(before != after for before, after in p.padding),
        lambda p: any(axis.leftover for axis in p.axes),
        lambda p: any(axis.extent > axis.input_size for axis in p.axes),
        lambda p: p.output_size[-1] > 16,
        lambda p: p.gemm.m > 16,
        lambda p: p.gemm.k > 256,
    ):
        assert any(map(asked, drawn))
        assert not all(map(asked, drawn))


# -- pages ------------------------------------------------------------------------------------


def test_a_step_outside_of_a_guarded_array_ends_the_process() -> None:
    killed = {"read 0": False, "read 1": True, "read -1": True, "vector 0": True, "write 1": True}
    command = [sys.executable, "-m", "support.guard_pages", *killed]
    tests = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=False)
    ended = dict(line.split(": ") for line in done.stdout.splitlines())
    assert ended == {step: "-11" if kill else "0" for step, kill in killed.items()}, done.stderr


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_guarded_array_is_the_same_array(layout: str, side: str) -> None:
    for shape in ((2, 3, 4, 5), (1, 1, 1, 1), (2, 3, 7), (0, 3, 4, 5)):
        array = LAYOUTS[layout](torch.randn(shape))
        beside = guard_pages.guarded(array, side)
        assert torch.equal(beside, array)
        assert beside.stride() == array.stride()


def test_layouts_are_what_they_are_called() -> None:
    input = torch.randn(2, 3, 4, 5)
    strides = {name: lay(input).stride() for name, lay in LAYOUTS.items()}
    assert len(set(strides.values())) == len(strides)
    assert {layout_of(lay(input)) is None for lay in LAYOUTS.values()} == {True, False}
    for name, lay in LAYOUTS.items():
        assert name.startswith("expanded") or torch.equal(lay(input), input)
        assert name.startswith("expanded") == (0 in strides[name])


# -- a call -----------------------------------------------------------------------------------


def planned(kernel: Kernel) -> Iterator[tuple[ConvProblem, Operands, Layout]]:
    """Yield larger problems of a kernel in both layouts, one at least."""
    tried = 0
    for problem in LARGER:
        for layout in ("contiguous", "channels last"):
            operands = lying(problem, random_operands(problem), layout)
            lies = layout_of(operands.input)
            if lies is not None and kernel.supports(problem, lies.name):
                yield problem, operands, lies
                tried += 1
    assert tried


@KERNEL
def test_a_call_keeps_the_layout_and_reads_any_weight(kernel: Kernel) -> None:
    for problem, operands, lies in planned(kernel):
        plan, weight = kernel.plan(problem, lies), operands.weight
        output = plan(operands.input, weight, operands.bias)
        memory = torch.contiguous_format if lies.name == NCHW else torch.channels_last
        assert output.is_contiguous(memory_format=memory)
        bound = named(kernel.name).error_bound(problem)
        assert judge(problem, kernel.name, to_numpy(output), operands, bound).verdict
        for same in (
            weight.to(memory_format=torch.channels_last),
            weight.transpose(2, 3).contiguous().transpose(2, 3),
            torch.stack([weight, weight], dim=-1)[..., 0],
        ):
            assert torch.equal(bits(plan(operands.input, same, operands.bias)), bits(output))
        if operands.bias is not None:
            apart = torch.stack([operands.bias, operands.bias], dim=1)[:, 0]
            assert torch.equal(bits(plan(operands.input, weight, apart)), bits(output))


@KERNEL
def test_a_call_sees_a_changed_weight(kernel: Kernel) -> None:
    for problem, operands, lies in planned(kernel):
        plan, weight = kernel.plan(problem, lies), operands.weight.clone()
        before = plan(operands.input, weight, operands.bias)
        weight.data[-1, -1, -1, -1] += 1
        changed = Operands(operands.input, weight, operands.bias)
        after = plan(operands.input, weight, operands.bias)
        assert not torch.equal(after, before)
        bound = named(kernel.name).error_bound(problem)
        assert judge(problem, kernel.name, to_numpy(after), changed, bound).verdict


# -- threads ----------------------------------------------------------------------------------


@KERNEL
@pytest.mark.usefixtures("threads")
def test_the_same_bits_for_any_number_of_threads(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_tasks(monkeypatch)
    for problem, operands, lies in planned(kernel):
        plans, outputs = [], []
        for team in (1, 2, 4):
            torch.set_num_threads(team)
            plans.append(kernel.plan(problem, lies))
            outputs.append(plans[-1](operands.input, operands.weight, operands.bias))
        outputs += [
            call_guarded(plan, operands, "after", team) for plan in plans for team in (1, 2, 4)
        ]
        assert max(plan.tasks for plan in plans) > 1
        for output in outputs[1:]:
            assert torch.equal(bits(output), bits(outputs[0]))


@pytest.mark.usefixtures("threads")
def test_eight_threads_with_mixed_shapes_at_once() -> None:
    torch.set_num_threads(2)
    work: list[tuple[Plan, Operands]] = []
    for kernel in KERNELS.values():
        made = [(kernel.plan(p, lies), operands) for p, operands, lies in planned(kernel)]
        assert made
        work += made
    alone = [bits(plan(given.input, given.weight, given.bias)) for plan, given in work]

    def one(number: int) -> bool:
        chance, fine = random.Random(number), True
        for _ in range(25):
            which = chance.randrange(len(work))
            plan, given = work[which]
            found = plan(given.input, given.weight.clone(), given.bias)
            fine &= torch.equal(bits(found), alone[which])
        return fine

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(8)))
