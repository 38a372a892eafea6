"""Arithmetic of sizes gives what Python's and sympy's gives, and takes nothing else."""

from __future__ import annotations

import pytest

from glassconv.errors import NetworkError
from glassconv.networks.exported.sizes import LONGEST, parse, symbol, value

SIZES = {"s0": 7, "x.size()[2]": 33}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Symbol('s0', positive=True, integer=True)", 7),
        ("Mul(Integer(2), Symbol('s0', integer=True), Integer(-1))", -14),
        ("Add(Integer(2), Symbol('s0'), Integer(3))", 12),
        ("FloorDiv(Add(Symbol('s0'), Integer(-1)), Integer(4))", 1),
        ("Max(Mod(Symbol('s0'), Integer(4)), Integer(1))", 3),
        ("L['x'].size()[2]", 33),
        ("(1 + (((-1) + L['x'].size()[2]) // 2)) != 1", 1),
        ("-L['x'].size()[2] % 4 == 3 and not L['x'].size()[2] <= 4", 1),
        ("max(1, L['x'].size()[2] // 4)*min(2, 3) >= 17 or 1 > 2", 0),
    ],
)
def test_an_expression_is_computed(text: str, expected: int) -> None:
    assert value(parse(text), SIZES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s0",
        "Symbol('s1')",
        "L['y'].size()[2]",
        "L['x'].size()[3]",
        "L['x'].stride()[2]",
        "2 ** 3",
        "2 << 3",
        "1.5 + 1",
        "'text'",
        "1 // (2 - 2)",
        "1 % 0",
        "9223372036854775807 + 1",
        "1 < 2 < 3",
        "max()",
        "max(*L)",
        "max(1, key=2)",
        "[1 for x in 2]",
        "(lambda: 1)()",
        "exec('1')",
        "x := 1",
        "1; 2",
        "1\x00",
        "(" * 500 + ")" * 500,
        "0" * (LONGEST + 1),
    ],
)
def test_what_is_no_arithmetic_of_these_sizes_is_refused(text: str) -> None:
    with pytest.raises(NetworkError, match=r"no arithmetic of sizes|has 4,001 characters"):
        value(parse(text), SIZES)


def test_a_symbol_has_a_name() -> None:
    assert symbol(parse("Symbol('s0', integer=True)")) == "s0"
    assert symbol(parse("Symbol('s 0')")) is None
    assert symbol(parse("Integer(3)")) is None
