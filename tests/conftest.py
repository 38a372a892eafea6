"""Every run of the tests is the same run: hypothesis has a fixed seed and no deadline.

The header says which processor and which torch ran them. Kernels that tests compile are kept in a
folder of this run; the user's stays as it is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

import matplotlib as mpl
import torch
from hypothesis import settings

from support.processor import describe

settings.register_profile("glassconv", derandomize=True, deadline=None)
settings.load_profile("glassconv")

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core, and none to spare for the other
    torch.set_num_threads(1)

os.environ.setdefault("MPLCONFIGDIR", mpl.get_cachedir())  # the list of fonts takes seconds to make
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="glassconv-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def pytest_report_header() -> list[str]:
    """Return what a result may depend on: the processor, PyTorch, threads."""
    return describe()
