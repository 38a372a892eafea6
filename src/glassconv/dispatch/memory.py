"""Memory: how much a process may use, which is the machine's or what its container allows.

Linux limits a container by control groups, in a tree. A process may use no more than the smallest
limit of its own group and of those above it. Version 2 has the limit in `memory.max`, version 1 in
`memory.limit_in_bytes` (https://docs.kernel.org/admin-guide/cgroup-v2.html, cgroup-v1/memory.html).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path("/")
LIMIT_FILES = {"cgroup2": "memory.max", "cgroup": "memory.limit_in_bytes"}  # by type of file system


class MemoryLimit(NamedTuple):
    """How many bytes a process may use, and who limits it."""

    bytes: int
    owner: str = "this machine"


@cache
def memory_limit(root: Path = ROOT) -> MemoryLimit | None:
    """Return how much memory this process may use, None where the system does not say.

    It is read once, which takes a millisecond. root: the folder that has `proc` and `sys`.
    """
    physical = physical_memory()
    limits = [] if physical is None else [MemoryLimit(physical)]
    limits += [MemoryLimit(limit, "this container") for limit in container_limits(root)]
    return min(limits, default=None)


def physical_memory() -> int | None:
    """Return this machine's memory in bytes, None where the system does not say, as on Windows."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no sysconf, no such name, no answer
        return None


def container_limits(root: Path = ROOT) -> Iterator[int]:
    """Yield the limits in bytes of this process's control groups and of those above them.

    Version 1 writes "no limit" as a number larger than any memory.
    """
    groups = list(_groups(root))
    for kind, mounted_group, folder in _mounts(root):
        for group_kind, group in groups:
            if group_kind != kind:
                continue
            # A container may see the whole tree's names for its groups, and its own group only.
            inside = group.is_relative_to(mounted_group)
            relative = group.relative_to(mounted_group) if inside else PurePosixPath()
            for above in (relative, *relative.parents):
                limit = _read(root / folder / above / LIMIT_FILES[kind]).strip()
                if limit.isdigit():  # "max" is no limit
                    yield int(limit)


def _groups(root: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield the groups of this process that may limit memory: (type of file system, name).

    A line of /proc/self/cgroup is hierarchy:controllers:name; version 2 has no controllers there.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if hierarchy == "0" and not controllers:
            yield "cgroup2", PurePosixPath(name)
        elif "memory" in controllers.split(","):
            yield "cgroup", PurePosixPath(name)


def _mounts(root: Path) -> Iterator[tuple[str, PurePosixPath, str]]:
    """Yield where control groups are mounted: (type of file system, the topmost group, folder).

    A line of /proc/self/mountinfo has the group and the folder in fields 4 and 5, and after a "-"
    the type, a source and the options, of which version 1 has its controllers.
    """
    for line in _read(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        fields = before.split()
        if kind not in LIMIT_FILES or len(fields) < 5:
            continue
        if kind == "cgroup" and "memory" not in options.replace(",", " ").split():
            continue
        yield kind, PurePosixPath(fields[3]), fields[4].lstrip("/")


def _read(file: Path) -> str:
    """Return a file's text; an empty one where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
