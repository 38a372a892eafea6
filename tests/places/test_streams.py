"""The command line where nobody reads: a closed stream, a full disk, a pipe closed early."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from support.process import Ended, run_command

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a shell")
GLASSCONV = f"{shlex.quote(sys.executable)} -m glassconv"


def shell(line: str) -> Ended:
    return run_command(["/bin/sh", "-c", line.replace("glassconv", GLASSCONV)])


def test_a_pipe_that_is_closed_early_is_no_failure() -> None:
    """A table, and a text that is longer than a pipe's buffer."""
    ended = shell(
        "{ glassconv algorithms; echo $? >&2; } | head -n 1;"
        " { glassconv kernel --asm 8x9x9 8@3x3 p1; echo $? >&2; } | head -n 1"
    )
    assert ended.err == "0\n0\n"
    assert len(ended.out.splitlines()) == 2


def test_a_failure_stays_one_when_nobody_reads() -> None:
    ended = shell("{ glassconv algorithms 8y9; echo $? >&2; } | true")
    said, code = ended.err.rstrip().rsplit("\n", 1)
    assert (said.splitlines()[0].partition(":")[0], code) == ("glassconv", "2")


def test_closed_streams() -> None:
    ended = shell("glassconv algorithms >&-; echo $?; glassconv algorithms 8y9 2>&-; echo $?")
    assert ended == Ended(0, "0\n2\n", "")


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_said_in_one_sentence() -> None:
    ended = shell(
        "glassconv explain --json 8x9x9 8@3x3 > /dev/full; echo $?;"
        " glassconv algorithms 8y9 2> /dev/full; echo $?"
    )
    assert ended.err == "glassconv: cannot write the output: No space left on device\n"
    assert ended.out == "2\n2\n"


def test_without_docstrings_the_command_line_is_the_same() -> None:
    """`python -OO` removes docstrings and assertions."""
    optimized, plain = (
        run_command([sys.executable, *options, "-m", "glassconv", "algorithms", "8x9x9", "8@3x3"])
        for options in (["-OO"], [])
    )
    assert optimized.code == 0, optimized.err
    assert optimized == plain
