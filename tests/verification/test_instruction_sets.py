"""PyTorch's convolution keeps its bound with every instruction set that this processor has.

PyTorch and oneDNN read the limit from the environment when they start, so each runs in a process of
its own.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from glassconv.verification.stress_inputs import STRESS_INPUTS
from support import bounds_of_aten, processor

ENVIRONMENTS = processor.environments()
# The ends of oneDNN's list are tried in each run: kernels of 128 bits, and this processor's best.
ONEDNN = [name for name in ENVIRONMENTS if name.startswith("oneDNN")]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in ONEDNN[1:-1] else [])
        for name in ENVIRONMENTS
    ],
)
def test_aten_keeps_its_bound(name: str) -> None:
    path = os.pathsep.join(sys.path)
    finished = subprocess.run(
        [sys.executable, "-m", "support.bounds_of_aten"],
        env={**os.environ, **ENVIRONMENTS[name], "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    verified = len(bounds_of_aten.problems()) * len(STRESS_INPUTS)
    assert int(finished.stdout) == verified


def test_the_machine_with_more_flags_runs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "flags", lambda: frozenset({"sse4_1", "avx", "avx2", "fma"}))
    some = set(processor.environments())
    assert some == {"oneDNN SSE41", "oneDNN AVX", "oneDNN AVX2", "ATen default", "ATen avx2"}
    every = set[str]().union(*processor.ONEDNN_ISAS.values(), *processor.ATEN_CAPABILITIES.values())
    monkeypatch.setattr(processor, "flags", lambda: frozenset(every))
    assert set(processor.environments()) > some | {"oneDNN AVX512_CORE_BF16", "ATen avx512"}
    monkeypatch.setattr(processor, "flags", frozenset)
    assert set(processor.environments()) == {"ATen default"}
