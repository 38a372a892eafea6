"""Every algorithm found in the folder, held to the definition; the definition, to plain loops."""

from __future__ import annotations

import importlib.util
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from glassconv import algorithms
from glassconv.algorithms import ALGORITHMS, Algorithm, algorithm_of, named, register
from glassconv.algorithms.direct import define
from glassconv.errors import MalformedAlgorithmError, UnknownNameError, UnsupportedError
from glassconv.problem import ConvProblem
from glassconv.problem.operands import Operands, random_operands, to_numpy
from glassconv.problem.problem import Problem, parse_problem
from glassconv.reports.array import Array
from glassconv.verification.verify import verify
from support.cases import CASES, EVERY_CASE
from support.random_problems import SMALL, problems, problems_for
from support.references import grid, literal, meta_operands, pixel_of, whole_numbers
from support.supported_cases import PLAIN_SUMS, REFUSED, SUPPORTED

ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
RANDOM = 300  # problems of each algorithm; a third of them in each run
CASE = pytest.mark.parametrize("problem", CASES.values(), ids=CASES)


def run(algorithm: Algorithm, problem: Problem, operands: Operands) -> Tensor:
    return algorithm.run(problem, operands.input, operands.weight, operands.bias)


# -- the definition ---------------------------------------------------------------------------


def defined(problem: ConvProblem, operands: Operands) -> Array:
    bias = None if operands.bias is None else to_numpy(operands.bias)
    return define(problem, to_numpy(operands.input), to_numpy(operands.weight), bias)


@CASE
def test_the_definition_is_seven_loops(problem: ConvProblem) -> None:
    operands = whole_numbers(problem)
    np.testing.assert_array_equal(defined(problem, operands), literal(problem, operands))


@given(problems(), st.integers(0, 9))
def test_the_definition_is_seven_loops_on_any_problem(problem: ConvProblem, seed: int) -> None:
    assume(problem.macs <= 20_000)
    operands = whole_numbers(problem, seed)
    np.testing.assert_array_equal(defined(problem, operands), literal(problem, operands))


@CASE
def test_the_definition_computes_in_numpys_float64(problem: ConvProblem) -> None:
    output = defined(problem, random_operands(problem))
    assert isinstance(output, np.ndarray)
    assert output.dtype == np.float64


# -- every algorithm --------------------------------------------------------------------------


@ALGORITHM
def test_it_supports_a_case(algorithm: Algorithm) -> None:
    """The tests below try an algorithm only on the cases that it supports."""
    assert any(algorithm.supports(problem) for problem in EVERY_CASE.values())


@REFUSED
def test_it_says_why_it_refuses(algorithm: Algorithm, problem: Problem) -> None:
    verdict = algorithm.supports(problem)
    assert verdict.reason
    with pytest.raises(UnsupportedError) as caught:
        verify(problem, algorithm.name)
    assert verdict.reason in caught.value.cause


@SUPPORTED
def test_within_its_bound(algorithm: Algorithm, problem: Problem) -> None:
    assert algorithm.supports(problem).reason
    checked = verify(problem, algorithm.name)
    assert checked.verdict, (checked.verdict.reason, checked.worst)


@pytest.mark.thorough
@ALGORITHM
@pytest.mark.parametrize(
    "seeds", [range(RANDOM // 3), pytest.param(range(RANDOM // 3, RANDOM), marks=pytest.mark.slow)]
)
def test_within_its_bound_on_any_problem(algorithm: Algorithm, seeds: range) -> None:
    drawn = islice(problems_for(algorithm, SMALL), seeds.start, seeds.stop)
    for seed, problem in zip(seeds, drawn, strict=True):
        checked = verify(problem, algorithm.name, seed=seed)
        assert checked.verdict, (seed, problem, checked.verdict.reason, checked.worst)


@pytest.mark.thorough
@pytest.mark.parametrize("algorithm", PLAIN_SUMS.values(), ids=PLAIN_SUMS)
@given(problem=problems(dtypes=["float32", "float64"]), seed=st.integers(0, 2**32))
def test_plain_sums_of_small_whole_numbers_are_exact(
    algorithm: Algorithm, problem: Problem, seed: int
) -> None:
    assert algorithm.error_bound(problem).rms_factor == 1
    checked = verify(problem, algorithm.name, whole_numbers(problem, seed))
    assert (checked.verdict.ok, checked.max_error) == (True, 0)


@SUPPORTED
def test_steps_name_every_axis_and_end_in_the_output(
    algorithm: Algorithm, problem: Problem
) -> None:
    given = random_operands(problem)
    kept = []
    for step in algorithm.steps(problem, given.input, given.weight, given.bias):
        kept.append((step, step.array.clone()))
        assert step.name
        assert step.note
        assert len(step.axes) == step.array.ndim
        assert len(set(step.axes)) == len(step.axes)
    for step, as_yielded in kept:
        assert torch.equal(step.array, as_yielded), f"{step.name} was changed by a later step"
    output = kept[-1][0].array
    assert output.shape == problem.output_shape
    assert output.dtype == given.weight.dtype
    assert torch.equal(run(algorithm, problem, given), output)
    assert len({step.name for step, _ in kept}) == len(kept)


@SUPPORTED
def test_operands_are_left_as_they_were(algorithm: Algorithm, problem: Problem) -> None:
    given, untouched = random_operands(problem), random_operands(problem)
    run(algorithm, problem, given)
    for name, array in vars(given).items():
        assert array is None or torch.equal(array, getattr(untouched, name)), name


@SUPPORTED
def test_steps_need_no_data_to_know_their_shapes(algorithm: Algorithm, problem: Problem) -> None:
    shapes = [
        [
            (step.name, tuple(step.array.shape), step.array.dtype)
            for step in algorithm.steps(problem, given.input, given.weight, given.bias)
        ]
        for given in (random_operands(problem), meta_operands(problem))
    ]
    assert shapes[0] == shapes[1]


GRADIENTS = [
    "2x7 3@2 s2 p1 float64",
    "1x3x4x3 2@2x2x2 p0:1x0x1 float64",
    "2x4x4 4@3x3 p1 g2 nobias float64",
    "2x6x4 2@5x3 s1x2 p1 float64",
    "2x2x4x5 2@3x2 s2x3 p2:1x0:3 d2x1 float64",
    "3x4x5 4@1x1 s2x1 float64",
    "4x3x4 4@3x2 s2x3 p1 g2 float64 transposed",
]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        pytest.param(algorithm, text, id=f"{algorithm.name}-{text}")
        for algorithm in ALGORITHMS.values()
        for text in GRADIENTS
        if algorithm.supports(parse_problem(text))
    ],
)
def test_gradients_are_those_of_finite_differences(algorithm: Algorithm, text: str) -> None:
    """PyTorch's own check along random directions, with its own steps and tolerances."""
    problem = parse_problem(text)
    given = random_operands(problem)
    leaves = [array for array in (given.input, given.weight, given.bias) if array is not None]
    for leaf in leaves:
        leaf.requires_grad_()

    def convolve(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return algorithm.run(problem, input, weight, bias)

    assert torch.autograd.gradcheck(convolve, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(convolve, leaves, fast_mode=True)


@ALGORITHM
def test_gradients_of_every_algorithm_are_tried(algorithm: Algorithm) -> None:
    assert any(algorithm.supports(parse_problem(text)) for text in GRADIENTS)


# -- costs ------------------------------------------------------------------------------------


@CASE
def test_direct_multiplies_only_inside_the_picture(problem: ConvProblem) -> None:
    inside = sum(
        pixel_of(problem, position, tap) is not None
        for position in grid(problem.output_size)
        for tap in problem.taps()
    )
    per_tap = problem.batch * problem.out_channels * problem.in_channels // problem.groups
    assert named("direct").cost(problem).multiplications == per_tap * inside


@SUPPORTED
def test_costs_are_whole_and_no_less_than_nothing(algorithm: Algorithm, problem: Problem) -> None:
    cost = algorithm.cost(problem)
    assert all(isinstance(count, int) and count >= 0 for count in vars(cost).values())
    assert cost.operations >= 1
    assert cost.traffic_bytes >= problem.output_bytes


# -- what im2col makes is what unfold makes -----------------------------------------------------


@given(problems(dtypes=["float32"], ndims=[2]), st.integers(0, 9))
def test_columns_are_those_of_unfold(problem: ConvProblem, seed: int) -> None:
    given = random_operands(problem, seed)
    [columns] = [
        step.array
        for step in named("im2col").steps(problem, given.input, given.weight, given.bias)
        if step.name == "columns"
    ]
    padded = F.pad(given.input, [size for pair in reversed(problem.padding) for size in pair])
    unfolded = F.unfold(
        padded, problem.kernel_size, dilation=problem.dilation, stride=problem.stride
    )
    assert torch.equal(columns, unfolded)


# -- finding algorithms -------------------------------------------------------------------------

WHOLE = '''
"""{name}: an idea."""
def supports(problem): ...
def cost(problem): ...
def error_bound(problem): ...
def steps(problem, input, weight, bias): yield
'''


def module(folder: Path, name: str, source: str) -> ModuleType:
    """Return a file's module as discovery would import it."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location(f"glassconv.algorithms.{name}", file)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_every_file_of_the_folder_is_an_algorithm() -> None:
    files = Path(algorithms.__file__).parent.glob("[!_]*.py")
    ours = {n: each for n, each in ALGORITHMS.items() if each.distribution == "glassconv"}
    assert list(ours) == sorted(file.stem for file in files)
    assert list(ALGORITHMS) == sorted(ALGORITHMS)
    for name, algorithm in ours.items():
        assert algorithm.idea.startswith(f"{name}: ")


def test_a_whole_file_is_an_algorithm(tmp_path: Path) -> None:
    found = algorithm_of(module(tmp_path, "new", WHOLE.format(name="new")))
    assert (found.name, found.idea) == ("new", "new: an idea.")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (("def cost(problem): ...", ""), "no function cost"),
        (("def cost(problem)", "def cost(shape)"), "cost takes ['problem'], but this one takes"),
        (("input, weight, bias", "x, w, b"), "steps takes ['problem', 'input', 'weight', 'bias']"),
        (('"""{name}: an idea."""', ""), "no docstring"),
        (("{name}: an idea.", " "), "no docstring"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, change: tuple[str, str], cause: str) -> None:
    malformed = module(tmp_path, "new", WHOLE.replace(*change))
    with pytest.raises(MalformedAlgorithmError) as caught:
        algorithm_of(malformed)
    assert "new.py" in str(caught.value)
    assert cause in str(caught.value)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    twice = [module(tmp_path / folder, "new", WHOLE) for folder in ("one", "two")]
    with pytest.raises(MalformedAlgorithmError, match=r"two files are named new: .*one.*two"):
        register(map(algorithm_of, twice))


def test_steps_that_yield_nothing_are_refused(tmp_path: Path) -> None:
    empty = algorithm_of(module(tmp_path, "new", WHOLE.replace("yield", "yield from ()")))
    problem = CASES["padding"]
    with pytest.raises(MalformedAlgorithmError, match="yielded nothing"):
        run(empty, problem, random_operands(problem))


@pytest.mark.parametrize(("wrong", "near"), [("im2co", "im2col"), ("Direct", "direct")])
def test_a_near_name_is_suggested(wrong: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{near}'"):
        named(wrong)


def test_what_is_no_name_is_refused_alike() -> None:
    with pytest.raises(UnknownNameError, match="unknown algorithm None"):
        named(None)  # type: ignore[arg-type]


def test_an_unknown_name_is_told_all_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        named("")
    assert all(name in caught.value.cause for name in ["auto", *ALGORITHMS])
