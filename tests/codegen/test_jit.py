"""The object cache saves time and decides nothing: what cannot be trusted is compiled again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glassconv.codegen import jit
from glassconv.codegen.ir import Code, Module, Pointer
from glassconv.codegen.jit import DIGEST, Compiled, assembly, compiled, folder, object_code
from glassconv.codegen.target import named
from glassconv.errors import UnsupportedError
from support.compile_function import call, this_machine, write


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of kernels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "glassconv" / "kernels"
    return folder()


def adds(number: int) -> Module:
    """Return a module that adds a number to an element: another text for each number."""

    def body(code: Code, array: Pointer) -> None:
        array[0] = array.vector() + code.constant(number)

    return write(body, 1, 0)


def added(kernel: Compiled) -> float:
    """Return what a compiled module of `adds` adds."""
    array = np.zeros(16, np.float32)
    call(kernel, [array], [])
    return float(array[0])


def make(number: int = 5) -> Compiled:
    """Compile or load it, and see that it is what it should be, wherever it comes from."""
    kernel = compiled(adds(number), "run")
    assert added(kernel) == number
    return kernel


def entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


# -- kept and found ---------------------------------------------------------------------------


def test_what_was_compiled_is_found(cache: Path) -> None:
    assert make().seconds > 0
    assert len(entries(cache)) == 1
    assert make().seconds == 0
    assert len(entries(cache)) == 1


def test_a_hit_compiles_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make()

    def refuse(*_: object) -> bytes:
        raise AssertionError("compiled")

    monkeypatch.setattr(jit, "object_code", refuse)
    make()
    with pytest.raises(AssertionError, match="compiled"):
        make(6)


def test_only_the_user_can_read_or_write_the_folder_and_its_files(cache: Path) -> None:
    make()
    [entry] = entries(cache)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert entry.stat().st_mode & 0o777 == 0o600


def test_an_entry_is_its_digest_and_the_object_file(cache: Path) -> None:
    module = adds(5)
    compiled(module, "run")
    [entry] = entries(cache)
    whole = entry.read_bytes()
    code = object_code(module.text, this_machine())
    assert whole[DIGEST:] == code
    assert whole[:DIGEST] == hashlib.sha256(entry.name.encode() + code).digest()


@pytest.mark.parametrize("change", [{"cpu": "x86-64-v3"}, {"features": ""}])
def test_another_processor_has_another_entry(cache: Path, change: dict[str, str]) -> None:
    module = adds(5)
    compiled(module, "run")
    module.target = replace(module.target, **change)  # type: ignore[arg-type]
    assert compiled(module, "run").seconds > 0
    assert len(entries(cache)) == 2


@pytest.mark.parametrize("name", ["llvm.llvm_version_info", "PASSES"])
def test_another_compiler_has_another_entry(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make()
    monkeypatch.setattr(f"glassconv.codegen.jit.{name}", (1, 2, 3) if "." in name else "other")
    assert make().seconds > 0
    assert len(entries(cache)) == 2


# -- what cannot be trusted -------------------------------------------------------------------


def _flipped(entry: bytes) -> bytes:
    middle = DIGEST + (len(entry) - DIGEST) // 2
    return entry[:middle] + bytes([entry[middle] ^ 1]) + entry[middle + 1 :]


def _rehashed(entry: bytes) -> bytes:
    code = _flipped(entry)[DIGEST:]
    return hashlib.sha256(code).digest() + code


CORRUPTIONS: dict[str, Callable[[bytes], bytes]] = {
    "a changed bit": _flipped,
    "a changed digest": lambda entry: bytes([entry[0] ^ 1]) + entry[1:],
    "changed, under the digest of its content alone": _rehashed,
    "half of it": lambda entry: entry[: len(entry) // 2],
    "the digest alone": lambda entry: entry[:DIGEST],
    "less than a digest": lambda entry: entry[: DIGEST // 2],
    "nothing": lambda entry: b"",
    "more than it": lambda entry: entry + b"\0",
    "zeros": lambda entry: bytes(len(entry)),
}


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_corrupted_entry_is_compiled_again(
    cache: Path, corrupt: Callable[[bytes], bytes]
) -> None:
    make()
    [entry] = entries(cache)
    good = entry.read_bytes()
    entry.write_bytes(corrupt(good))
    assert make().seconds > 0
    assert entry.read_bytes() == good  # and written again
    assert make().seconds == 0


def test_the_content_of_another_entry_is_not_run(cache: Path) -> None:
    make(5)
    [five] = entries(cache)
    make(6)
    [six] = set(entries(cache)) - {five}
    six.write_bytes(five.read_bytes())
    assert make(6).seconds > 0


def test_an_entry_for_another_processor_is_not_run(cache: Path) -> None:
    here = adds(5)
    foreign = adds(5)
    foreign.target = replace(foreign.target, cpu="x86-64-v3")
    compiled(foreign, "run")
    [other] = entries(cache)
    content = other.read_bytes()
    compiled(here, "run")
    [own] = set(entries(cache)) - {other}
    own.write_bytes(content)
    assert make(5).seconds > 0


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_not_used(cache: Path, mode: int) -> None:
    make()
    cache.chmod(mode)
    assert make().seconds > 0
    make(6)
    assert len(entries(cache)) == 1


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_an_entry_that_others_can_write_is_not_run(cache: Path, mode: int) -> None:
    make()
    [entry] = entries(cache)
    entry.chmod(mode)
    assert make().seconds > 0
    assert entry.stat().st_mode & 0o777 == 0o600
    assert make().seconds == 0


def test_a_folder_of_another_user_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(os, "getuid", lambda: 2**30)
    assert make().seconds > 0
    make(6)
    assert len(entries(cache)) == 1


# -- where nothing can be kept ----------------------------------------------------------------


def test_a_file_in_the_folders_place_only_costs_time(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.touch()
    assert make().seconds > 0
    assert make().seconds > 0


def test_a_folder_in_an_entrys_place_only_costs_time(cache: Path) -> None:
    make()
    [entry] = entries(cache)
    entry.unlink()
    entry.mkdir()
    assert make().seconds > 0
    assert entries(cache) == [entry]  # and no file is left of the attempt


def test_a_folder_that_cannot_be_made_only_costs_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert make().seconds > 0


def test_a_folder_that_cannot_be_written_is_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    assert make().seconds == 0
    assert make(6).seconds > 0
    assert make(6).seconds > 0


def test_an_entry_that_cannot_be_read_only_costs_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert make().seconds > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_only_costs_time_and_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tempfile.NamedTemporaryFile

    def full(**given: object) -> object:
        file = made(**given)  # type: ignore[call-overload]
        with Path("/dev/full").open("wb") as device:
            os.dup2(device.fileno(), file.fileno())
        return file

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    assert make().seconds > 0
    assert entries(cache) == []
    assert make().seconds > 0


def test_a_disk_that_fills_up_in_the_last_moment_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    assert make().seconds > 0
    assert entries(cache) == []


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert make().seconds > 0
    assert make().seconds > 0


def test_where_files_have_no_owners_nothing_is_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "getuid")  # as on Windows
    assert make().seconds > 0
    assert make().seconds > 0
    assert entries(cache) == []


@pytest.mark.parametrize("value", ["", "relative", None])
def test_a_folder_that_is_none_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if value is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert folder() == tmp_path / ".cache" / "glassconv" / "kernels"


MANY = """
import sys
from test_jit import make
print(sum(make(number).seconds > 0 for number in range(8)))
"""


def test_two_processes_at_once(cache: Path) -> None:
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", MANY], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    counts = [int(each.communicate(timeout=120)[0]) for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert all(0 <= count <= 8 for count in counts)
    assert sum(counts) >= 8
    assert len(entries(cache)) == 8  # and no unfinished file
    assert all(make(number).seconds == 0 for number in range(8))


# -- how long the code is in memory -------------------------------------------------------------

HELD = """
import gc
import numpy as np
from glassconv.codegen.jit import compiled
from glassconv.codegen.struct import words_of
from test_jit import adds
call = compiled(adds(5), "run").call
for number in range(20):  # which would take the place of freed code
    compiled(adds(number), "run")
    gc.collect()
array = np.zeros(16, np.float32)
call(words_of(), words_of(array.ctypes.data), 1, 1)
print(array[0])
"""


def test_a_function_that_is_held_can_be_called_when_nothing_else_of_it_is_left(cache: Path) -> None:
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", HELD], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "5.0\n"


# -- what is looked at ------------------------------------------------------------------------


def test_code_for_another_processor_can_be_read_and_not_run(cache: Path) -> None:
    target = named("neon") if this_machine().name != "neon" else named("avx2")

    def body(code: Code, array: Pointer) -> None:
        array[0] = code.fma(array.vector(), array.vector(), code.zeros())

    kernel = compiled(write(body, 1, 0, target=target), "run")
    assert "llvm.fma" in kernel.text
    assert "fmla" in assembly(kernel.text, target) or "vfmadd" in assembly(kernel.text, target)
    with pytest.raises(UnsupportedError, match=f"no code for {target.name}"):
        kernel.call(0, 0, 0, 0)
    assert not cache.exists()


def test_a_module_that_llvm_refuses_is_refused(cache: Path) -> None:
    with pytest.raises(RuntimeError, match="expected"):
        object_code("define nonsense", this_machine())
