"""Every run of the tests is the same run: hypothesis has a fixed seed and no deadline."""

from __future__ import annotations

import os

import torch
from hypothesis import settings

settings.register_profile("glassconv", derandomize=True, deadline=None)
settings.load_profile("glassconv")

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core, and none to spare for the other
    torch.set_num_threads(1)
