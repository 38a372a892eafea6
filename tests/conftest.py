"""Every run of the tests is the same run: random numbers are seeded, hypothesis has no deadline.

The header states the processor and the version of torch. What "auto" chooses follows from a machine
with fixed rates, not from the one that runs the tests, also in processes that tests start. Kernels
that tests compile are kept in one folder of the run, which its workers share; the user's cache
stays as it is.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import settings

import support.torchvision_schemas  # noqa: F401
from glassconv.dispatch import machine_store
from support.fixed_machine import fixed_machine, keep_for_processes
from support.processor import describe

settings.register_profile("glassconv", derandomize=True, deadline=None)
settings.load_profile("glassconv")

machine_store.machine = fixed_machine

os.environ.setdefault("MPLCONFIGDIR", mpl.get_cachedir())  # the list of fonts takes seconds to make

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # each worker has a core, and none to spare for the other
else:  # workers inherit the folder: a kernel is compiled by one of them
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="glassconv-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
    keep_for_processes()


def pytest_collectstart() -> None:
    """Seed before a module is imported: layers that parametrize its tests are the same, too."""
    seed()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed each test, whichever ran before it."""
    seed()


def seed() -> None:
    """Seed all generators of random numbers."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    # Not `torch.manual_seed`, which also keeps the formatted stack of each call for an accelerator.
    torch.default_generator.manual_seed(0)


def pytest_report_header() -> list[str]:
    """Return what a result may depend on: the processor, PyTorch, threads."""
    return describe()
