"""Convolutions run in forked processes, DataLoader workers, many threads and distributed training.

Each test is a process of its own, which is killed if it hangs.
"""

from __future__ import annotations

import os

import pytest

from support.process import TWO_THREADS, Ended, run_python

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
CHILD = """
import os, signal, sys, time, traceback
import torch, torch.nn.functional as F, glassconv
x, w = torch.ones(1, 32, 40, 40), torch.ones(32, 32, 3, 3)

def fork(work):
    "Return whether a forked child that does the work ends well."
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return False
"""


def works(program: str, **more: object) -> None:
    ended = run_python(program, **more)  # type: ignore[arg-type]
    assert ended == Ended(0, "", ""), ended.err


@FORKS
def test_a_forked_child_convolves_as_its_parent() -> None:
    """Both had used two threads; PyTorch's own operations run in the child, too."""
    works(
        TWO_THREADS
        + CHILD
        + """
many = torch.ones(1 << 20)
many.relu()
ours, theirs = glassconv.conv2d(x, w, padding=1), F.conv2d(x, w, padding=1)

def work():
    assert torch.get_num_threads() == 2
    assert torch.equal(glassconv.conv2d(x, w, padding=1), ours)
    assert torch.equal(glassconv.conv2d(x, w, padding=1, algorithm="aten"), theirs)
    assert torch.equal(F.conv2d(x, w, padding=1), theirs)
    assert many.relu().sum() == 1 << 20
    assert fork(lambda: glassconv.conv2d(x, w, padding=1))  # and its child

assert fork(work)
assert fork(work)
assert torch.equal(glassconv.conv2d(x, w, padding=1), ours)
"""
    )


@FORKS
def test_where_threads_cannot_be_released_a_child_uses_one() -> None:
    works(
        TWO_THREADS
        + CHILD
        + """
from glassconv.codegen import openmp

class Old:  # a runtime without `omp_pause_resource_all`
    pass

glassconv.conv2d(x, w, padding=1)
openmp._library = lambda: Old()

def work():
    assert torch.get_num_threads() == 1
    glassconv.conv2d(x, w, padding=1)
    F.conv2d(x, w, padding=1)

assert fork(work)
assert torch.get_num_threads() == 2
"""
    )


@pytest.mark.parametrize("method", [pytest.param("fork", marks=FORKS), "spawn"])
def test_workers_of_a_data_loader_convolve(method: str, tmp_path: object) -> None:
    program = f"{tmp_path}/loading.py"
    with open(program, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(
            TWO_THREADS
            + f"""
import glassconv
from torch.utils.data import DataLoader, Dataset

WEIGHT = torch.ones(8, 8, 3, 3)

class Convolved(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return glassconv.conv2d(torch.full((8, 20, 20), float(index)), WEIGHT)

if __name__ == "__main__":
    here = torch.stack([Convolved()[index] for index in range(6)])
    loader = DataLoader(
        Convolved(), batch_size=3, num_workers=1, multiprocessing_context="{method}", timeout=100
    )
    assert torch.equal(torch.cat(list(loader)), here)
    assert torch.get_num_threads() == 2
"""
        )
    works(f"import runpy\nrunpy.run_path({program!r}, run_name='__main__')")


def test_many_threads_at_once() -> None:
    """Of Python, each with its own team: the same bits, though all compile and pack at first."""
    works(
        TWO_THREADS
        + """
from concurrent.futures import ThreadPoolExecutor
import glassconv

inputs = [torch.randn(1, 16, 20 + size % 2, 24) for size in range(12)]
weight = torch.randn(16, 16, 3, 3)
with ThreadPoolExecutor(12) as pool:
    convolved = lambda input: [glassconv.conv2d(input, weight, padding=1) for _ in range(4)]
    outputs = list(pool.map(convolved, inputs))
for input, found in zip(inputs, outputs):
    alone = glassconv.conv2d(input, weight, padding=1)
    assert all(torch.equal(each, alone) for each in found)
"""
    )
