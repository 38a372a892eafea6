"""The suites: those handed out, whole, and files of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from glassconv.benchmarks.suites import COLUMNS, read_suite, suite_names
from glassconv.errors import DataError, UnknownNameError

DISTINCT = {
    "convnext_tiny": 8,
    "efficientnet_b0": 46,
    "mobilenet_v2": 30,
    "resnet18": 11,
    "resnet50": 23,
    "transposed": 8,
    "unet_256": 15,
    "vgg16": 9,
}
HEAD = ",".join(COLUMNS)


def test_every_network_is_there_with_all_its_layers() -> None:
    assert {name: len(read_suite(name)) for name in suite_names()} == DISTINCT


def test_counts_add_up_to_the_networks_convolutions() -> None:
    assert sum(layer.count for layer in read_suite("resnet18")) == 20
    assert sum(layer.count for layer in read_suite("vgg16")) == 13


def test_batch_and_element_type_are_the_callers() -> None:
    first = read_suite("mobilenet_v2", 8, "float64")[1].problem
    assert str(first) == "8x32x112x112 32@3x3 s1 p1 g32 nobias float64"


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"{HEAD}\n3,4,9,7,3,2,2,1,1,0,1,2,1,1,5\n")
    [layer] = read_suite(str(file))
    assert str(layer.problem) == "1x3x9x7 4@3x2 s2x1 p1x0 d1x2"
    assert layer.count == 5


def test_layers_may_be_written_in_shorthand(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("problem,count\n3x9 4@3 s2 nobias transposed,2\n8x4x4x4 8@3x3x3,1\n")
    layers = read_suite(str(file), 2, "float64")
    assert [(str(layer.problem), layer.count) for layer in layers] == [
        ("2x3x9 4@3 s2 p0 nobias float64 transposed", 2),
        ("2x8x4x4x4 8@3x3x3 s1 p0 float64", 1),
    ]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a,b\n1,2\n", "the first line must be in_channels,out_channels"),
        ("", "the first line must be .* or problem,count"),
        ("problem,count\n3x9x9 4@3x3,1\n3x9x9 4@3x3 s0,1\n", "line 3: .*stride"),
        ("problem,count\n3x9x9 4@3x3\n", "line 2"),
        (f"{HEAD}\n3,4,9,7,3,2,2,1,1,0,1,2,1,1\n", "line 2"),
        (f"{HEAD}\n3,4,9,7,3,x,2,1,1,0,1,2,1,1,5\n", "line 2: .*'x'"),
        (f"{HEAD}\n3,4,2,2,3,3,1,1,0,0,1,1,1,1,5\n", "line 2: .*the kernel spans 3"),
    ],
)
def test_a_wrong_file_is_told_its_line(tmp_path: Path, text: str, cause: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=cause):
        read_suite(str(file))


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UnknownNameError, match=r"'alexnet'; available: convnext_tiny, .*vgg16"):
        read_suite("alexnet")
    with pytest.raises(DataError, match="cannot read"):
        read_suite("nothing/here.csv")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """As a spreadsheet writes it."""
    file = tmp_path / "marked.csv"
    file.write_text(
        "\ufeff" + ",".join(COLUMNS) + "\n" + "3,4,8,8,3,3,1,1,0,0,1,1,1,0,2\n", "utf-8"
    )
    (layer,) = read_suite(str(file))
    assert (str(layer.problem), layer.count) == ("1x3x8x8 4@3x3 s1 p0 nobias", 2)
