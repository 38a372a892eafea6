"""Run Python in a process of its own, which is killed if it does not end in time."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = 150  # a process that needs them hangs: each takes a few on an idle machine
TWO_THREADS = """
import torch
torch.set_num_threads(2)
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it wrote."""

    code: int
    out: str
    err: str


def run_python(
    program: str,
    *options: str,
    without: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
    **more: Any,
) -> Ended:
    """Run a program's text with this interpreter.

    options: of the interpreter. without, variables: environment variables that the process lacks or
    has beside the test's own. more: of `subprocess.run`.
    """
    return run_command(
        [sys.executable, *options, "-c", textwrap.dedent(program)], without, variables, **more
    )


def run_command(
    command: list[str],
    without: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
    **more: Any,
) -> Ended:
    """Run a command; it raises `subprocess.TimeoutExpired` after `SECONDS`."""
    kept = {name: value for name, value in os.environ.items() if name not in without}
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    done = subprocess.run(
        command, env={**kept, **(variables or {})}, timeout=SECONDS, check=False, **more
    )
    out, err = ((each or b"").decode(errors="replace") for each in (done.stdout, done.stderr))
    return Ended(done.returncode, out, err)
