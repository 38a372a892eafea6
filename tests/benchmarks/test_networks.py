"""Whole networks: engines that are right are timed, others are not and the reason is said."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
import torch

import support.small_network as small
from glassconv.benchmarks.networks import benchmark, main, processor, profile
from glassconv.benchmarks.peers import ENGINES, eager, ours
from glassconv.benchmarks.peers.case import Case, prepare
from glassconv.benchmarks.peers.engine import Engine
from glassconv.benchmarks.peers.process import EngineError, Process
from glassconv.benchmarks.peers.unet import UNet
from glassconv.benchmarks.suites import read_suite
from glassconv.networks.capture import capture
from glassconv.networks.convolutions import convolutions
from glassconv.networks.optimize import optimize
from glassconv.problem import ConvProblem
from glassconv.reports.network_benchmark import NetworkBenchmark

SOURCE = f"{small.__file__}:SmallNetwork"
PEERS = [engine for engine in ENGINES if engine.package not in ("torch", "glassconv")]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return replace(prepare(SOURCE, tmp_path_factory.mktemp("case")), threads=1)


@pytest.fixture(scope="module")
def result(case: Case) -> NetworkBenchmark:
    bad = [small.WRONG, small.REFUSING, small.CRASHING, small.TIRING, small.ABSENT]
    return benchmark(case, [eager.NCHW, ours.ENGINE, *bad], rounds=2)


def test_right_engines_are_timed(result: NetworkBenchmark) -> None:
    for row in result.engines[:2]:
        assert row.error is not None and row.error <= result.limit and not row.reason
        assert row.times is not None
        assert 0 < row.times.smallest <= row.times.median <= row.times.largest
    assert result.ours is result.engines[1] and result.best_peer is result.engines[0]
    assert result.ratio is not None


def test_the_others_are_not_and_the_reason_is_said(result: NetworkBenchmark) -> None:
    rows = {row.engine: row for row in result.engines[2:]}
    assert [row.times for row in rows.values()] == [None] * 5
    assert rows["wrong"].reason.startswith("wrong: its relative error 1.0e-03 exceeds 1.0e-04")
    assert rows["refusing"].reason == "ValueError: no layer is known"
    assert rows["crashing"].reason == "its process ended, code 3: the last words"
    assert rows["tiring"].reason.startswith("StopIteration")
    assert (rows["absent"].reason, rows["absent"].version) == ("not installed", None)
    text = str(result)
    assert max(map(len, text.splitlines())) <= 80
    assert processor() in text and "– refusing: ValueError: no layer is known" in text


@pytest.mark.parametrize("engine", PEERS, ids=lambda engine: engine.name)
def test_an_installed_engine_is_right(engine: Engine, case: Case) -> None:
    if engine.version() is None:
        pytest.skip("not installed")
    with closing(Process(engine, case)) as process:
        assert process.prepare() <= case.limit
        if engine.profile is not None:
            layers = process.profile()
            assert any(each.output_shape == (1, 16, 16, 16) for each in layers)
            assert all(each.seconds >= 0 for each in layers)


def test_an_engine_without_a_profile_says_so(case: Case) -> None:
    with pytest.raises(EngineError, match="wrong does not say what its layers take"):
        profile(case, small.WRONG)


def test_the_profile_of_glassconv_has_each_step_of_the_plan(case: Case) -> None:
    layers = profile(case, ours.ENGINE).layers
    steps = optimize(case.network(), case.input()).plan(case.input()).steps
    assert [layer.name for layer in layers] == [step.name for step in steps]
    assert all(layer.seconds > 0 for layer in layers)


def test_the_profile_of_pytorch_has_each_layer(case: Case) -> None:
    result = profile(case, eager.NCHW)
    names = {layer.name for layer in result.layers}
    assert {"stem.0", "stem.1", "stem.2", "depthwise", "classify"} <= names
    assert "1×16×16×16" in str(result)


def test_batchnorm_has_the_statistics_of_its_inputs_and_nothing_is_all_alike(case: Case) -> None:
    stem = case.network().get_submodule("stem")
    images = torch.randn(8, 3, 16, 16)
    with torch.no_grad():
        for layer in list(stem.children())[:2]:
            images = layer(images)
    assert 0.3 < float(images.std()) < 3
    for parameter in case.network().parameters():
        assert bool(parameter.max() > parameter.min())


def test_an_output_may_lack_the_batch_but_no_number(case: Case) -> None:
    output = case.network()(case.input()).detach().numpy()
    assert case.error(output[0]) == case.error(output) < 1e-6
    output[0, 3] = nan
    assert case.error(output) == inf
    with pytest.raises(RuntimeError, match=r"shape '\[1, 10\]' is invalid"):
        case.error(output[0, :3])


def test_the_unet_has_the_layers_of_the_suite() -> None:
    graph = capture(UNet().eval(), (1, 3, 256, 256))
    found = Counter(
        each.problem for each in convolutions(graph) if isinstance(each.problem, ConvProblem)
    )
    assert found == {layer.problem: layer.count for layer in read_suite("unet_256")}


def test_the_command_prints_a_table_for_each_number_of_threads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    how = ["--threads", "2", "1", "--rounds", "1", "--json", str(file)]
    main(["--networks", SOURCE, "--engines", "eager", "glassconv", *how])
    printed = capsys.readouterr().out
    assert "2 threads, 1 round;" in printed and "1 thread, 1 round;" in printed
    rows = json.loads(file.read_text())["networks"]
    assert [(row["threads"], row["best_peer"]) for row in rows] == [(2, "eager"), (1, "eager")]
    assert all(row["ratio"] > 0 for row in rows)
