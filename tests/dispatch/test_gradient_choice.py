"""What kernels compute of a recorded call, on a machine whose rates are fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

import pytest

from glassconv.dispatch import gradient_choice, machine_store
from glassconv.dispatch.gradient_choice import (
    FLAT_TILES,
    GAIN,
    PYTORCH,
    SHARING,
    Part,
    Parts,
    choose_gradients,
    is_faster_in_float32,
    predicted_parts,
)
from glassconv.problem.memory_layout import NCHW, NHWC
from glassconv.problem.problem import parse_problem
from support.fixed_machine import FIXED, fixed_machine, with_slow_16_bits


@pytest.fixture(autouse=True)
def _on_the_fixed_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(machine_store, "machine", fixed_machine)
    gradient_choice.forget()
    yield
    gradient_choice.forget()


def test_kernels_compute_what_they_compute_faster() -> None:
    depthwise = parse_problem("8x96x56x56 96@3x3 p1 g96")
    choice = choose_gradients(depthwise, "default", NCHW, of_input=True, of_weight=True)
    assert choice == (True, True, True)
    assert not predicted_parts(depthwise, "default", NHWC).of_weight.is_faster
    problem = parse_problem("8x64x56x56 64@3x3 p1")
    parts = predicted_parts(problem, "default", NCHW)
    assert [part.kernel for part in parts] == ["winograd4", "winograd4", "winograd"]
    assert [part.is_transform for part in parts] == [True, True, False]
    assert all(part.is_faster for part in parts)


def test_a_kernel_must_be_clearly_faster() -> None:
    assert Part("gemm", 1.0, GAIN + 0.01).is_faster
    assert not Part("gemm", 1.0, GAIN).is_faster
    assert not Part(None, inf, 1.0).is_faster
    assert Part("a", 1.0, GAIN * FLAT_TILES + 0.01, is_transform=True).is_faster
    assert not Part("a", 1.0, GAIN * FLAT_TILES - 0.01, is_transform=True).is_faster


FASTER, AS_FAST, SLOWER = Part("a", 1.0, 3.0), Part("b", 1.0, GAIN), Part("c", 1.0, 0.5)
ABSENT = Part(None, inf, 1.0)


@pytest.mark.parametrize(
    ("parts", "dispatch", "expected"),
    [
        ((FASTER, FASTER, FASTER), 0.0, (True, True, True)),
        ((FASTER, SLOWER, FASTER), 0.0, (True, False, True)),
        ((FASTER, ABSENT, SLOWER), 0.0, (True, False, False)),
        ((SLOWER, SLOWER, SLOWER), 0.0, (False, False, False)),
        ((AS_FAST, AS_FAST, AS_FAST), 0.0, (False, False, False)),
        # PyTorch's part costs more dispatches than the kernel is slower.
        ((FASTER, SLOWER, FASTER), 1.0 / SHARING, (True, True, True)),
        ((FASTER, ABSENT, ABSENT), 1.0 / SHARING, (True, False, False)),
        ((FASTER, ABSENT, ABSENT), 2.0 / SHARING, (False, False, False)),
    ],
)
def test_the_parts_are_chosen_together(
    monkeypatch: pytest.MonkeyPatch,
    parts: tuple[Part, Part, Part],
    dispatch: float,
    expected: tuple[bool, bool, bool],
) -> None:
    monkeypatch.setattr(gradient_choice, "RECORDING", 0)
    monkeypatch.setattr(machine_store, "machine", lambda: replace(FIXED, dispatch=dispatch))
    monkeypatch.setattr(gradient_choice, "predicted_parts", lambda *given, **asked: Parts(*parts))
    problem = parse_problem("8x64x56x56 64@3x3 p1")
    choice = choose_gradients(problem, "default", NCHW, of_input=True, of_weight=True)
    assert choice == expected


def test_phases_compute_the_inputs_gradient_of_a_strided_depthwise_convolution() -> None:
    for layout in (NCHW, NHWC):
        parts = predicted_parts(parse_problem("8x96x56x56 96@3x3 s2 p1 g96"), "default", layout)
        assert parts.of_input.kernel == "phases"
        assert parts.of_input.seconds < parts.of_input.pytorch_seconds
        for text in ("8x96x56x56 192@3x3 s2 p1 g96", "8x3x112x112 3@3x3 s2 p1 g3"):
            assert predicted_parts(parse_problem(text), "default", layout).of_input.kernel is None


def test_what_is_not_asked_for_saves_nothing() -> None:
    problem = parse_problem("8x64x56x56 64@3x3 p1")
    choice = choose_gradients(problem, "default", NCHW, of_input=False, of_weight=True)
    assert choice == (True, False, True)


def test_less_than_a_function_of_python_costs_is_not_worth_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gradient_choice, "RECORDING", 1e6)
    problem = parse_problem("8x64x56x56 64@3x3 p1")
    assert choose_gradients(problem, "default", NCHW, of_input=True, of_weight=True) == PYTORCH


@pytest.mark.parametrize(
    "text",
    [
        "2x4x8x8x8 4@3x3x3",
        "2x8x8x8 8@3x3 bfloat16",
        "2x4x4x4 4@3x3 d4 transposed o3",  # its output padding is a stride or more
    ],
)
def test_pytorch_computes_the_rest(text: str) -> None:
    problem = parse_problem(text)
    assert choose_gradients(problem, "default", NCHW, of_input=True, of_weight=True) == PYTORCH


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "text",
    [
        "8x64x28x28 64@3x3 p1",
        "8x64x400 64@3",
        "8x64x14x14 9@4x4 s2 o1 transposed",
    ],
)
def test_16_bits_are_computed_in_float32_where_pytorch_is_slow(
    text: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = parse_problem(f"{text} {dtype}")
    asked = {"of_input": True, "of_weight": True}
    for layout in (NCHW, NHWC):
        assert not is_faster_in_float32(problem, "default", layout, **asked)
    monkeypatch.setattr(machine_store, "machine", with_slow_16_bits)
    gradient_choice.forget()
    for layout in (NCHW, NHWC):
        assert is_faster_in_float32(problem, "default", layout, **asked)
        assert not is_faster_in_float32(problem.widened(), "default", layout, **asked)
        assert not is_faster_in_float32(problem, "strict", layout, **asked)


@pytest.mark.parametrize("text", ["2x16x8x8x8 16@3x3x3 bfloat16", "3x8x8 4@3x3 bfloat16"])
def test_three_axes_and_small_calls_of_16_bits_stay_pytorchs(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_store, "machine", with_slow_16_bits)
    gradient_choice.forget()
    problem = parse_problem(text)
    assert not is_faster_in_float32(problem, "default", NCHW, of_input=True, of_weight=True)
