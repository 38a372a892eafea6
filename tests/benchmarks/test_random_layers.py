"""Random layers: the same from the same seed, each small enough to time."""

from __future__ import annotations

from glassconv.benchmarks.random_layers import MACS, MAX_BYTES, NUMBER, random_layers


def test_the_same_seed_draws_the_same_layers() -> None:
    assert random_layers(50) == random_layers(50)
    assert random_layers(50) == random_layers(80)[:50]
    assert random_layers(50) != random_layers(50, seed=1)


def test_every_layer_can_be_timed_and_all_kinds_occur() -> None:
    drawn = [layer.problem for layer in random_layers()]
    assert len(drawn) == NUMBER
    for problem in drawn:
        assert problem.macs in MACS
        assert problem.input_bytes + problem.weight_bytes + problem.output_bytes <= MAX_BYTES
    assert {problem.ndim for problem in drawn} == {1, 2}
    assert {problem.dtype for problem in drawn} == {"float32", "float64"}
    assert any(problem.groups == problem.in_channels > 1 for problem in drawn)
    assert any(1 < problem.groups < problem.in_channels for problem in drawn)
    assert any(max(problem.kernel_size) == 31 for problem in drawn)
