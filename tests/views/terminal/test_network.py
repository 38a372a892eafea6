"""What `glassconv explain NETWORK` prints: every fact in 80 columns, in any theme."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from glassconv.explanation.network import NetworkReport
from glassconv.views.network_words import count, percent
from glassconv.views.terminal.network import explained
from support.networks import small_explanation


def text(*, timed: bool = False) -> str:
    return str(NetworkReport(small_explanation(timed=timed)))


@pytest.mark.parametrize("timed", [False, True])
def test_it_fits_80_columns_and_cuts_only_names(timed: bool) -> None:
    lines = text(timed=timed).splitlines()
    assert max(map(len, lines)) <= 80
    cut = {word for line in lines for word in line.split() if "…" in word}
    name = "2.a_rather_long_name_of_a_convolution"
    assert {word.partition("…")[0][2:] for word in cut} <= {name[2:size] for size in range(3, 12)}
    assert all(name.endswith(word.partition("…")[2]) for word in cut)


def test_every_convolution_is_in_it_with_its_numbers() -> None:
    facts, written = small_explanation(), text()
    for each in facts.convolutions:
        start, end = each.name[:5], each.name[-5:]
        lines = (line.split() for line in written.splitlines() if each.name in line or "…" in line)
        (first, second) = (
            " ".join(words)
            for words in lines
            if len(words) > 3 and words[0].startswith(start) and words[0].endswith(end)
        )
        assert count(each.macs) in first
        assert percent(each.macs, facts.macs) in first
        assert count(each.forward_bytes) in second
    stem = next(line for line in written.splitlines() if line.split()[:2] == ["0", "7"])
    assert stem.split()[1:8] == ["7", "×", "5", "2", "−3", "3+2", "×"]
    rows = (line.split() for line in written.splitlines() if line.endswith("B"))
    assert sum(words[1:2] == ["all"] for words in rows) == 3


def test_sections_are_numbered_and_what_cannot_fuse_is_listed() -> None:
    written = text()
    for place in range(1, 7):
        assert f"\n{place}  " in written
    assert "normalisations  2 of 2 fold into weights" in written
    assert "activation: no kernel applies elu: 2.elu, 3.elu" in " ".join(written.split())
    assert "torch.utils.flop_counter  the same" in written


def test_only_styles_of_both_themes_are_used() -> None:
    """Colours of the terminal's own theme, no fixed ones: right on light and on dark."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")
    console.print(explained(small_explanation()))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[38;2" not in written
    assert "\x1b[48" not in written
    assert "\x1b[36m█" in written
