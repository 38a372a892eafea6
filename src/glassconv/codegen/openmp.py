"""The OpenMP runtime that PyTorch uses, and what keeps it usable in a forked process.

Kernels run on its threads, so `torch.set_num_threads` applies to them and no second pool competes
for the cores. Each of GNU's, LLVM's and Intel's runtimes has the functions in `RUNTIME`. Where none
is loaded (on Windows, for one), one thread does all the work.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from functools import cache

import torch

RUNTIME = ("GOMP_parallel", "omp_get_thread_num")
PAUSE_SOFT = 1  # OpenMP 5.0, omp_pause_resource_t: release the threads, keep the settings


@cache
def runtime() -> dict[str, int] | None:
    """Return the addresses of OpenMP's functions in the runtime PyTorch uses, None without one."""
    library = _library()
    if library is None:
        return None
    found = {name: ctypes.cast(library[name], ctypes.c_void_p).value or 0 for name in RUNTIME}
    return found if all(found.values()) else None


def threads() -> int:
    """Return how many threads a kernel may use: `torch.get_num_threads()`, or 1 without OpenMP."""
    return torch.get_num_threads() if runtime() else 1


def survive_fork() -> None:
    """Let a forked process convolve: its parent's threads are released before each fork.

    A fork copies the forking thread only. GNU's runtime does not know it: its first parallel region
    in the child waits for threads that do not exist, forever, in PyTorch's operations as in our
    kernels. If its threads have ended before the fork, both processes start new ones when they need
    them. Where they cannot be ended, the child uses one thread. LLVM's and Intel's runtimes start
    anew in a child by themselves.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


_released = True  # whether the last `_before_fork` has ended all threads


def _before_fork() -> None:
    global _released  # noqa: PLW0603  # a hook takes no arguments
    library = _library()
    if library is None or hasattr(library, "__kmpc_fork_call"):  # LLVM's or Intel's
        _released = True
        return
    pause = getattr(library, "omp_pause_resource_all", None)
    _released = pause is not None and pause(PAUSE_SOFT) == 0


def _after_fork_in_child() -> None:
    if not _released:
        torch.set_num_threads(1)


@cache
def _library() -> ctypes.CDLL | None:
    """Return where the names of OpenMP's functions are looked up, None without such functions."""
    for library in _where_pytorch_looks():
        if all(hasattr(library, name) for name in RUNTIME):
            return library
    return None


def _where_pytorch_looks() -> Iterator[ctypes.CDLL]:
    """Yield handles that search for a name as the linker did for PyTorch, in its order.

    Other packages may have loaded another runtime, with other threads. On Linux what is preloaded
    comes before PyTorch's own dependencies; on macOS a library is bound to its dependencies.
    """
    pytorch = torch._C.__file__
    for name in [pytorch] if sys.platform == "darwin" else [None, pytorch]:
        try:
            yield ctypes.CDLL(name)
        except (OSError, TypeError):  # Windows has no handle for all libraries of a process
            continue
