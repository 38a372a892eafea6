"""The command line, run as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest import CaptureFixture, MonkeyPatch

import glassconv
from glassconv import __version__
from glassconv.algorithms import ALGORITHMS
from glassconv.benchmarks.suites import COLUMNS
from glassconv.cli import study
from glassconv.codegen.analysis import roofline
from glassconv.data import cifar10
from glassconv.dispatch.select import choose
from glassconv.figures.kinds import KINDS
from glassconv.problem import ConvProblem
from glassconv.problem.shorthand import parse
from glassconv.reports.machine import Machine
from glassconv.reports.verdict import Verdict
from glassconv.reports.verification import Verification
from glassconv.tracing.backward import backward
from glassconv.tracing.forward import trace
from glassconv.verification.stress_inputs import run_stress_inputs
from support.cifar10_batches import write_published_images
from support.command_line import pipe, run
from support.fixed_machine import fixed_machine, with_threads


@pytest.fixture(autouse=True)
def piped(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """Run in an empty folder, 80 columns wide and without a terminal."""
    pipe(tmp_path, monkeypatch)


def refused(monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], *arguments: str) -> str:
    """Return what is said on stderr when these arguments are refused, once nothing else is."""
    assert run(monkeypatch, *arguments) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith("glassconv: ")
    assert "Traceback" not in said
    return said


def test_demo_prints_the_tutorials_facts(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "demo", "--out", "pictures") == 0
    out, said = capsys.readouterr()
    assert said == ""
    for fact in (
        "Chelsea",
        "[1, 3, 32, 32]",
        "floor((32 + 2·0 − 1·(5 − 1) − 1) / 1) + 1 = 28",
        "−0.0445   0.0310  −0.0023   0.0916  −0.0102",
        "w.shape        [1, 3, 5, 5]",
        "inp_unf.shape  [1, 75, 784]",
        "out_unf.shape  [1, 1, 784]",
        "out.shape      [1, 1, 28, 28]",
        "✓   Conv2d with im2col",
        "76·u",
        "(4 × 75) · (75 × 784)",
        "235,200 MACs, that is 470,400 FLOPs",
        "of a corner pixel 1, of a middle one 25, on average 19.1",
        "y[0, 1, 2] = 2 + 0 − 1 + 1 = 2",
    ):
        assert fact in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out, "escape codes in a pipe"
    assert sorted(path.stem for path in (tmp_path / "pictures").iterdir()) == sorted(
        kind for kind, how in KINDS.items() if how.default is None
    )


def test_demo_on_a_picture_of_ones_own(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    Image.new("RGB", (60, 40), "teal").save(tmp_path / "own.png")
    assert run(monkeypatch, "demo", "--image", "own.png", "--style", "light") == 0
    assert "own.png, 60 × 40, its centre square scaled to 32 × 32" in capsys.readouterr().out
    assert (tmp_path / "glassconv-demo" / "image.png").is_file()


@pytest.mark.parametrize(("index", "name"), [("0", "cat"), ("10", "plane")])
def test_demo_on_cifar10(
    tmp_path: Path,
    monkeypatch: MonkeyPatch,
    capsys: CaptureFixture[str],
    index: str,
    name: str,
) -> None:
    write_published_images(tmp_path)
    assert run(monkeypatch, "demo", "--cifar10", ".", "--index", index) == 0
    assert f"CIFAR-10 test_batch {index}: {name}" in capsys.readouterr().out


def test_verify_tells_of_every_algorithm(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "verify", "3x8x8", "2@3x3", "p1") == 0
    out = capsys.readouterr().out
    problem = parse("3x8x8 2@3x3 p1")
    assert str(problem) in out
    for name, algorithm in ALGORITHMS.items():
        verdict = algorithm.supports(problem)
        assert (f"✓ {name} " if verdict else f"not supported: {name}: {verdict.reason}") in out
    assert max(map(len, out.splitlines())) <= 80


def test_verify_takes_transposed_problems(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "verify", "4x5x5 4@3x3 s2 p1 g4 transposed o1") == 0
    out, said = capsys.readouterr()
    assert said == ""
    assert "✓ aten " in out
    assert "Not compared with unfold + matmul" in out
    assert max(map(len, out.splitlines())) <= 80


def test_verify_takes_the_algorithm_that_auto_takes(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "verify", "3x8x8 2@3x3 float16", "--algorithm", "auto") == 0
    assert f"✓ {choose('3x8x8 2@3x3 float16').algorithm} " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["verify", "trace", "backward"])
@pytest.mark.parametrize("seed", ["-1", str(2**80)])
def test_a_seed_that_no_generator_takes_is_refused(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], command: str, seed: str
) -> None:
    assert run(monkeypatch, command, "3x8x8 2@3x3", "--seed", seed) == 2
    assert "--seed" in capsys.readouterr().err


def test_verify_exits_with_1_where_a_bound_is_exceeded(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    def failing(
        problem: ConvProblem, algorithms: Sequence[str], seed: int
    ) -> Iterator[tuple[str, Verification]]:
        for kind, found in run_stress_inputs(problem, algorithms, seed):
            verdict = Verdict(False, "off by 7 × its bound")
            yield kind, replace(found, verdict=verdict) if kind == "cancelling" else found

    monkeypatch.setattr(study, "run_stress_inputs", failing)
    assert run(monkeypatch, "verify", "3x8x8 2@3x3", "--algorithm", "im2col") == 1
    assert "✗ im2col (cancelling): off by 7 × its bound" in capsys.readouterr().out


def test_kernel_opens_a_kernel(monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]) -> None:
    monkeypatch.setattr(roofline, "PATIENCE", 0.0)
    assert run(monkeypatch, "kernel", "8x20x20 12@3x3 p1", "--algorithm", "implicit_gemm") == 0
    out, said = capsys.readouterr()
    assert said == ""
    for fact in ("The loops", "for 1 image", "The register tile", "spills", "of the roofline"):
        assert fact in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("flag", "begins"), [("--ir", "target triple"), ("--asm", "\t")])
def test_kernel_prints_its_text_and_nothing_else(
    flag: str, begins: str, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    given = ("kernel", "8x20x20 12@3x3", "--algorithm", "implicit_gemm", "--layout", "nhwc", flag)
    assert run(monkeypatch, *given) == 0
    out = capsys.readouterr().out
    assert out.startswith(begins)
    assert "implicit_gemm" in out


def test_kernel_says_what_has_none(monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]) -> None:
    said = refused(monkeypatch, capsys, "kernel", "3x8x8 4@3x3", "--algorithm", "im2col")
    assert "im2col has no generated kernel" in said
    assert "--algorithm implicit_gemm" in said
    said = refused(monkeypatch, capsys, "kernel", "3x8x8 4@3x3", "--ir", "--asm")
    assert "give one of --ir, --asm and --backward" in said


def test_algorithms_lists_ideas_and_files(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "algorithms") == 0
    out = capsys.readouterr().out
    assert all(f"{name}.py" in out for name in ALGORITHMS)


def test_algorithms_of_a_problem_tells_verdicts(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "algorithms", "3x8x8 2@3x3") == 0
    out = capsys.readouterr().out
    stand = choose(parse("3x8x8 2@3x3")).candidates
    verdicts = [each.verdict for each in stand]
    verdicts += [each.kernel for each in stand if each.kernel is not None]
    assert out.count("✓") == sum(each.ok for each in verdicts)
    assert out.count("✗") == sum(not each.ok for each in verdicts)
    assert out.count("selected by auto") == 1


def test_trace_prints_every_step_and_keeps_the_arrays(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    problem = "3x8x8 2@3x3 p1 g1 nobias"
    assert run(monkeypatch, "trace", problem, "--seed", "4", "--save", "folder/all.npz") == 0
    out = capsys.readouterr().out
    expected = trace(parse(problem), "im2col", seed=4)
    for step in expected.steps:
        assert f"{step.name}  {list(step.array.shape)}" in out
        assert step.note in out
    assert max(map(len, out.splitlines())) <= 80
    with np.load(tmp_path / "folder" / "all.npz") as kept:
        assert list(kept) == ["input", "weight", *(step.name for step in expected.steps)]
        for step in expected.steps:
            np.testing.assert_array_equal(kept[step.name], step.array)


def test_explain_prints_the_report_and_json_reads_back(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "explain", "64x56x56", "64@3x3", "p1") == 0
    out = capsys.readouterr().out
    assert "200,704 · 576 = 115,605,504" in out
    assert max(map(len, out.splitlines())) <= 80
    assert run(monkeypatch, "explain", "64x56x56 64@3x3 p1", "--json") == 0
    report = glassconv.Report.from_json(capsys.readouterr().out)
    assert report == glassconv.explain("64x56x56 64@3x3 p1")


def test_explain_refuses_with_what_would_work(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "explain", "3x4x4 2@7x7") == 2
    said = capsys.readouterr().err
    assert "the kernel spans 7 positions" in said
    assert "the padded input has 4" in said
    for remedy in ("p2", "3x7x7", "2@4x4"):
        assert f"try: {remedy}" in said


def test_backward_prints_both_gradients_and_the_convolutions_they_are(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "backward", "2x5x5", "3@3x3", "s2", "--algorithm", "im2col") == 0
    out = capsys.readouterr().out
    both = backward(parse("2x5x5 3@3x3 s2"), "im2col")
    for step in (*both.input_steps, *both.weight_steps):
        assert f"{step.name}  {list(step.array.shape)}" in out
    assert f"As a convolution: {both.input_convolution}" in out
    assert f"As a convolution: {both.weight_convolution}" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", ["out.png", "out.svg", "folder/out.PDF"])
def test_figure_writes_the_file(tmp_path: Path, monkeypatch: MonkeyPatch, name: str) -> None:
    problem = "2x4x4 3@2x2"
    assert run(monkeypatch, "figure", "matrix-product", problem, "--out", name) == 0
    assert (tmp_path / name).stat().st_size > 10_000


@pytest.mark.parametrize("options", [["--out", "moving.png"], ["--transposed"], []])
def test_animate_writes_a_picture_that_moves(
    tmp_path: Path, monkeypatch: MonkeyPatch, options: list[str]
) -> None:
    assert run(monkeypatch, "figure", "animate", "1x2x2 1@2x2 p1", *options) == 0
    file = tmp_path / (options[1] if "--out" in options else "animate.gif")
    frames = 1 if "--transposed" in options else 9
    with Image.open(file) as image:
        assert getattr(image, "n_frames", 1) == frames


def test_bench_times_a_suite_and_keeps_the_figures(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    (tmp_path / "mine.csv").write_text(f"{','.join(COLUMNS)}\n3,4,9,7,3,2,2,1,1,0,1,2,1,1,5\n")
    arguments = ["--suite", "mine.csv", "--algorithm", "im2col", "--threads", "1"]
    assert run(monkeypatch, "bench", *arguments, "--json", "figures.json") == 0
    assert "geometric mean of 1 of 1 layers" in capsys.readouterr().out
    [layer] = json.loads((tmp_path / "figures.json").read_text())["layers"]
    assert layer["problem"] == "1x3x9x7 4@3x2 s2x1 p1x0 d1x2"
    assert run(monkeypatch, "bench", "--suite", "mine.csv", "--algorithm", "pointwise") == 1


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_bench_times_a_suite_in_another_element_type(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str], dtype: str
) -> None:
    (tmp_path / "mine.csv").write_text(f"{','.join(COLUMNS)}\n3,4,9,7,3,2,2,1,1,0,1,2,1,1,5\n")
    assert (
        run(monkeypatch, "bench", "--suite", "mine.csv", "--dtype", dtype, "--json", "f.json") == 0
    )
    assert dtype in capsys.readouterr().out
    [layer] = json.loads((tmp_path / "f.json").read_text())["layers"]
    assert layer["problem"] == f"1x3x9x7 4@3x2 s2x1 p1x0 d1x2 {dtype}"


def test_machine_shows_the_rates_and_json_reads_back(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "machine") == 0
    out = capsys.readouterr().out
    assert str(fixed_machine()).splitlines()[0] in out
    assert "machine.json" in out
    assert run(monkeypatch, "machine", "--json", "--threads", "1") == 0
    document = json.loads(capsys.readouterr().out)
    assert Machine.from_document(document) == with_threads(1)


def test_transposed_is_for_animate(monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]) -> None:
    assert run(monkeypatch, "figure", "window", "1x4x4 1@2x2", "--transposed") == 2
    assert "--transposed can only be used with animate" in capsys.readouterr().err


def test_version(monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ("demo --image missing.png", "missing.png cannot be read as an image: No such file"),
        ("demo --image text", "text is not an image"),
        ("demo --out text", "cannot write into text: File exists"),
        ("demo --out text/below", "cannot write into text/below: Not a directory"),
        ("demo --cifar10 .", "holds no CIFAR-10 batch"),
        ("demo --cifar10 . --image text", "not both"),
        ("demo --index 3", "--cifar10 DIR"),
        ("demo --download", "--cifar10 DIR"),
        ("verify 3x8x8", "a problem needs an input and filters"),
        ("verify 3x8x8 2@3x3 --algorithm winograt", "unknown algorithm 'winograt'"),
        ("verify 3x32x32 4@5x5 p1000000", "GiB"),
        ("trace 3x8x8 2@3x3 --algorithm pointwise", "pointwise: needs a kernel of size 1, got 3×3"),
        ("figure spiral", "unknown figure 'spiral'"),
        ("figure image --out picture.gif", "must end in one of .png, .svg, .pdf"),
        ("algorithms 3x4x4 4@5x5", "the kernel spans 5 positions"),
    ],
)
def test_refusals_are_said_and_exit_with_2(
    tmp_path: Path,
    monkeypatch: MonkeyPatch,
    capsys: CaptureFixture[str],
    arguments: str,
    cause: str,
) -> None:
    (tmp_path / "text").write_text("no picture")
    assert cause in refused(monkeypatch, capsys, *arguments.split())
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["text"], "something was written"


def test_a_shorthand_is_refused_with_a_caret(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    said = refused(monkeypatch, capsys, "verify", "3x32x32 4@5y5 s1")
    assert said.splitlines()[1:] == ["  3x32x32 4@5y5 s1", "          ^^^^^"]


def test_download_goes_to_the_folder_with_a_bar(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    def arrive(folder: Path, archive: cifar10.Archive, progress: cifar10.Progress) -> None:
        assert archive == cifar10.Archive()
        progress.total = 10
        progress.update(10)
        progress.reset()
        progress.update(progress.total)
        progress.close()
        folder.mkdir()
        write_published_images(folder)

    monkeypatch.setattr(cifar10, "download", arrive)
    assert run(monkeypatch, "demo", "--cifar10", "new", "--download") == 0
    assert "CIFAR-10 test_batch 0: cat" in capsys.readouterr().out
