"""Kernels are found by their files, and a malformed file is refused."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from glassconv import kernels
from glassconv.algorithms import ALGORITHMS
from glassconv.errors import MalformedAlgorithmError
from glassconv.kernels import KERNELS, TRANSPOSED_KERNELS, Kernel, load_kernel
from glassconv.problem.memory_layout import NCHW, NHWC
from support.cases import CASES
from support.kernel_problems import EDGES

KERNEL = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


def test_every_file_named_as_an_algorithm_is_a_kernel() -> None:
    files = {file.stem for file in Path(kernels.__file__).parent.glob("*.py")}
    assert set(KERNELS) | set(TRANSPOSED_KERNELS) == files & set(ALGORITHMS)
    assert list(KERNELS) == sorted(KERNELS)


@KERNEL
def test_a_refusal_has_its_reason(kernel: Kernel) -> None:
    for problem in (*CASES.values(), *EDGES.values()):
        for layout in (NCHW, NHWC):
            assert kernel.supports(problem, layout).reason
    assert bool(kernel.supports(CASES["three axes"], NCHW)) is (kernel.name == "ordered")
    assert not kernel.supports(CASES["float16"], NCHW)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("def supports(problem, layout): ...", "no function work"),
        ("def supports(problem): ...", "supports must have the parameters ['problem', 'layout']"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, source: str, cause: str) -> None:
    file = tmp_path / "new.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("glassconv.kernels.new", file)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    with pytest.raises(MalformedAlgorithmError) as caught:
        load_kernel(loaded)
    assert f"kernels/new.py: {cause}" in str(caught.value)
