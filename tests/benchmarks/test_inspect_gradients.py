"""What `glassconv kernel --backward` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from glassconv import parse
from glassconv.benchmarks.inspect_gradients import inspect_gradients
from glassconv.dispatch import gradient_choice, machine_store
from glassconv.errors import UnsupportedError
from support.command_line import pipe, run
from support.fixed_machine import fixed_machine


@pytest.fixture(autouse=True)
def _on_the_fixed_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_store, "machine", fixed_machine)
    gradient_choice.forget()


def test_every_part_says_what_computes_it_and_how() -> None:
    report = inspect_gradients(parse("8x64x56x56 64@3x3 p1"))
    output, of_input, of_weight = report.parts
    assert [part.kernel for part in report.parts] == ["winograd4", "winograd4", "winograd"]
    assert str(of_input.convolution) == "8x64x56x56 64@3x3 s1 p1 nobias transposed"
    assert str(of_weight.convolution) == "64x8x56x56 64@56x56 s1 p1 nobias"
    assert "for 36 elements: add the product of all tiles" in of_weight.loops[-1]
    assert output.loops == of_input.loops


def test_a_part_of_pytorchs_has_no_loops() -> None:
    of_weight = inspect_gradients(parse("8x96x56x56 96@3x3 p1 g96"), "nhwc").parts[2]
    assert (of_weight.kernel, of_weight.loops) == (None, ())


def test_pytorch_computes_some_problems_gradients_always() -> None:
    with pytest.raises(UnsupportedError, match="of 16 bits"):
        inspect_gradients(parse("3x8x8 4@3x3 bfloat16"))


def test_the_command_prints_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(tmp_path, monkeypatch)
    assert run(monkeypatch, "kernel", "8x64x56x56", "64@3x3", "p1", "--backward") == 0
    printed = capsys.readouterr().out
    assert "3  The weight's gradient" in printed
    assert "computed by  the kernel winograd " in printed
    assert run(monkeypatch, "kernel", "3x8x8", "4@3x3", "--backward", "--ir") != 0
    assert run(monkeypatch, "kernel", "3x8x8", "4@3x3", "--backward", "--algorithm", "direct") != 0
