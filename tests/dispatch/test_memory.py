"""The memory guard knows the machine's memory and a container's limit, in both versions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from glassconv import choose, parse
from glassconv.dispatch import select
from glassconv.dispatch.memory import MemoryLimit, container_limits, memory_limit, physical_memory

V2_MOUNT = "29 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
CPU_MOUNT = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu"
V1_NO_LIMIT = str(2**63 - 4096)
GIB = 2**30


def tree(root: Path, groups: str, mounts: str, limits: Mapping[str, object]) -> Path:
    """Write the files of a system: `limits` has the content of files below /sys/fs/cgroup."""
    process = root / "proc/self"
    process.mkdir(parents=True)
    (process / "cgroup").write_text(groups + "\n")
    (process / "mountinfo").write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{mounts}\n")
    for name, limit in limits.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    return root


def test_this_machine_has_memory() -> None:
    limit = memory_limit()
    assert limit is not None
    assert 2**28 < limit.bytes <= (physical_memory() or 0)


def test_version_2(tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/app", V2_MOUNT, {"app/memory.max": 2 * GIB})
    assert list(container_limits(root)) == [2 * GIB]
    assert memory_limit(root) == MemoryLimit(min(2 * GIB, physical_memory() or 0), "this container")


def test_a_container_of_version_2_that_sees_itself_as_the_root(tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/", V2_MOUNT, {"memory.max": GIB})
    assert list(container_limits(root)) == [GIB]


def test_the_smallest_limit_of_nested_groups_of_version_2(tmp_path: Path) -> None:
    limits = {
        "a/memory.max": GIB,
        "a/b/memory.max": "max",
        "a/b/c/memory.max": 3 * GIB,
        "other/memory.max": 1,
    }
    root = tree(tmp_path, "0::/a/b/c", V2_MOUNT, limits)
    assert sorted(container_limits(root)) == [GIB, 3 * GIB]
    limit = memory_limit(root)
    assert limit is not None
    assert limit.bytes == GIB


def test_the_smallest_limit_of_nested_groups_of_version_1(tmp_path: Path) -> None:
    limits = {
        "memory/memory.limit_in_bytes": V1_NO_LIMIT,
        "memory/docker/memory.limit_in_bytes": GIB,
        "memory/docker/1a2b/memory.limit_in_bytes": 2 * GIB,
        "cpu/docker/1a2b/memory.limit_in_bytes": 1,
    }
    groups = "9:name=systemd:/\n4:memory:/docker/1a2b\n3:cpu:/docker/1a2b\n0::/"
    root = tree(tmp_path, groups, f"{CPU_MOUNT}\n{V1_MOUNT}", limits)
    limit = memory_limit(root)
    assert limit is not None
    assert limit.bytes == GIB


def test_a_container_of_version_1_that_has_its_own_group_mounted(tmp_path: Path) -> None:
    """Docker mounts the group /docker/1a2b as /sys/fs/cgroup/memory."""
    mount = V1_MOUNT.replace(" / /sys", " /docker/1a2b /sys")
    limits = {"memory/memory.limit_in_bytes": 2 * GIB, "memory/sub/memory.limit_in_bytes": GIB}
    root = tree(tmp_path, "4:cpuset,memory:/docker/1a2b/sub", mount, limits)
    assert sorted(container_limits(root)) == [GIB, 2 * GIB]


def test_a_group_outside_what_is_mounted_is_the_topmost_one(tmp_path: Path) -> None:
    mount = V1_MOUNT.replace(" / /sys", " /docker/1a2b /sys")
    root = tree(tmp_path, "4:memory:/", mount, {"memory/memory.limit_in_bytes": GIB})
    assert list(container_limits(root)) == [GIB]


def test_both_versions_at_once(tmp_path: Path) -> None:
    mounts = f"{V1_MOUNT}\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
    limits = {"memory/a/memory.limit_in_bytes": 2 * GIB, "unified/b/memory.max": GIB}
    root = tree(tmp_path, "4:memory:/a\n0::/b", mounts, limits)
    assert sorted(container_limits(root)) == [GIB, 2 * GIB]


@pytest.mark.parametrize("text", ["max", "", "unlimited", "-1", "\x00"])
def test_what_is_no_number_is_no_limit(tmp_path: Path, text: str) -> None:
    root = tree(tmp_path, "0::/", V2_MOUNT, {"memory.max": text})
    assert not list(container_limits(root))
    assert memory_limit(root) == MemoryLimit(physical_memory() or 0)


def test_no_limit_of_version_1_is_more_than_the_machine_has(tmp_path: Path) -> None:
    limits = {"memory/memory.limit_in_bytes": V1_NO_LIMIT}
    root = tree(tmp_path, "4:memory:/", V1_MOUNT, limits)
    assert memory_limit(root) == MemoryLimit(physical_memory() or 0, "this machine")


@pytest.mark.parametrize("groups", ["", "garbage", "0::", ":::::", "4:memory"])
@pytest.mark.parametrize("mounts", ["", "garbage", " - cgroup2", "1 2 3 - cgroup memory"])
def test_what_cannot_be_read_limits_nothing(tmp_path: Path, groups: str, mounts: str) -> None:
    root = tree(tmp_path, groups, mounts, {"memory.max": 1})
    assert not list(container_limits(root))


def test_a_limit_without_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")
    root = tree(tmp_path, "0::/", V2_MOUNT, {"memory.max": GIB})
    assert memory_limit(root) == MemoryLimit(GIB, "this container")
    assert memory_limit(tmp_path / "nowhere") is None


def test_an_algorithm_that_exceeds_a_container_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path, "0::/app", V2_MOUNT, {"app/memory.max": GIB})
    monkeypatch.setattr(select, "memory_limit", lambda: memory_limit(root))
    select.forget()
    try:
        candidates = choose(parse("1x1x1 1@1x1 s100000 p100000")).candidates
        (im2col,) = (each for each in candidates if each.name == "im2col")
        assert im2col.verdict.reason == "needs 149 GiB of memory, this container has 1"
    finally:
        select.forget()
