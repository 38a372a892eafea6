"""PyTorch's threads while they come in time, our own after a call that waited for one in vain."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
import torch

from glassconv.codegen import team
from glassconv.codegen.threads import threads, words
from support.process import run_python

PATH = os.pathsep.join(sys.path)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_torchs_number_of_threads_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads() == (2 if team.is_supported() else 1)
    torch.set_num_threads(3)
    assert threads() == (3 if team.is_supported() else 1)
    monkeypatch.setattr(team, "is_supported", lambda: False)
    assert threads() == 1


def test_a_call_with_our_threads_is_one_fewer() -> None:
    from codegen.test_parallel import done

    _, calls_left = words()
    calls_left.value = 3
    for left in (2, 1, 0, 0):
        assert (done(9, 3)[:, 0] > 0).all()
        assert calls_left.value == left


# Any wait for a thread that is missing is a wait in vain here. The others have the caller's core
# and the least claim to it, so in one call of a thousand they come when nothing is left to do.
WAITED = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from glassconv.codegen import openmp_region, threads
openmp_region.LATE = -1
from codegen.test_parallel import done

done(2, 2)
for thread in os.listdir("/proc/self/task"):
    if int(thread) != os.getpid():
        os.setpriority(os.PRIO_PROCESS, int(thread), 19)
_, calls_left = threads.words()
for _ in range(1000):
    assert (done(2, 2)[:, 0] > 0).all()
    if calls_left.value:
        break
print(calls_left.value > 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads cannot be held back")
def test_a_call_that_waited_in_vain_gives_the_next_ones_our_threads() -> None:
    ended = run_python(WAITED, variables={"PYTHONPATH": PATH})
    assert ended.code == 0, ended.err
    assert ended.out == "True\n"
