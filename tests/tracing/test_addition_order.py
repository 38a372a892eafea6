"""The order of additions, revealed by probing."""

import pytest
import torch
from typer.testing import CliRunner

from glassconv import parse
from glassconv.cli import app
from glassconv.errors import UnsupportedError
from glassconv.reports.addition_order import BIAS
from glassconv.tracing.addition_order import addition_orders, revealed
from glassconv.views.terminal.addition_order import lines


def test_strict_is_blocks_of_256_products_one_after_another() -> None:
    ours, theirs = addition_orders(parse("30x5x5 4@3x3 p1")).orders
    assert ours.tree == (BIAS, tuple(range(256)), tuple(range(256, 270)))
    assert "PyTorch" in theirs.adder
    ours, _ = addition_orders(parse("3x6x6 4@3x3 nobias float64")).orders
    assert ours.tree == tuple(range(27))


def test_any_tree_is_revealed() -> None:
    def total(others: dict[int, float]) -> float:
        a, b, c, d, e, f = (torch.tensor(others.get(leaf, 1.0)) for leaf in range(6))
        return float(((a + d) + f) + (b + (c + e)))

    assert revealed(list(range(6)), total) == (0, 3, 5, (1, (2, 4)))


def test_a_tree_is_written_run_by_run() -> None:
    tree = (BIAS, 0, 2, 4, (1, 3), 9)
    assert list(lines(tree)) == [
        "bias",
        "+ products 0 … 4 in steps of 2",
        "+ sum of:",
        "    products 1 … 3 in steps of 2",
        "+ product 9",
    ]


@pytest.mark.parametrize("text", ["4x4x4 1@3x3 bfloat16", "500x9x9 1@3x3", "0x4x4x4 1@3x3"])
def test_what_cannot_be_probed_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedError):
        addition_orders(parse(text))


def test_the_command_draws_both_orders() -> None:
    shown = CliRunner().invoke(app, ["trace", "2x6x6", "1@3x3", "--order"])
    assert shown.exit_code == 0
    assert "products 0 … 17" in shown.stdout
    assert "PyTorch" in shown.stdout
