"""Compiled: LLVM's text made into machine code, kept on disk for the next process.

An entry on disk is the object file after the SHA-256 of its name and content, in a folder that only
its user can write. What cannot be read, written or trusted is compiled again: the cache saves time
and decides nothing.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import llvmlite.binding as llvm

from glassconv.codegen.ir import Module
from glassconv.codegen.parallel import runtime
from glassconv.codegen.target import Target, runs
from glassconv.errors import UnsupportedError

DIGEST = 32  # bytes
PASSES = "1"  # raise it when `_optimised` changes: entries made otherwise are then not used
ONLY_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
NOWHERE = (OSError, RuntimeError)  # the latter for a user who has no home


@dataclass(frozen=True)
class Compiled:
    """A module's public function in memory; it lives as long as this does."""

    call: Any  # name(plan, arrays, tasks, threads)
    address: int
    text: str  # LLVM's
    target: Target
    seconds: float  # it took to compile, 0 from the disk cache
    engine: Any


def compiled(module: Module, name: str) -> Compiled:
    """Compile a module, or load what was compiled before.

    One for a processor that this machine is not is compiled no further: its text can be read.
    """
    _initialise()
    text, target = module.text, module.target
    if not runs(target):
        return Compiled(_refuse(target), 0, text, target, 0.0, None)
    made_by = (text, target.cpu, target.features, str(llvm.llvm_version_info), PASSES)
    key = hashlib.sha256("\0".join(made_by).encode()).hexdigest()
    seconds = 0.0
    machine_code = _read(key)
    if machine_code is None:
        start = perf_counter()
        machine_code = object_code(text, target)
        seconds = perf_counter() - start
        _write(key, machine_code)
    empty = llvm.parse_assembly(f'target triple = "{target.triple}"')
    engine = llvm.create_mcjit_compiler(empty, _machine(target))
    engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2)
    return Compiled(kind(address), address, text, target, seconds, engine)


def _refuse(target: Target) -> Any:
    def call(*_: Any) -> None:
        raise UnsupportedError(f"this machine runs no code for {target.name}")

    return call


def object_code(text: str, target: Target) -> bytes:
    """Return the object file that LLVM makes of a module."""
    _initialise()
    machine = _machine(target)
    code: bytes = machine.emit_object(_optimised(text, machine))
    return code


def assembly(text: str, target: Target) -> str:
    """Return the assembly that LLVM makes of a module, for any target, with LLVM's comments."""
    _initialise()
    machine = _machine(target)
    machine.set_asm_verbosity(True)  # without it, it does not say what a spill is
    code: str = machine.emit_assembly(_optimised(text, machine))
    return code


def spills(assembly: str) -> int:
    """Return how many registers of vectors were put in memory for want of room.

    >>> spills("vmovups %ymm3, 32(%rsp)  # 32-byte Spill")
    1
    """
    vector = ("ymm", "zmm", "xmm", "\tq", " q")
    return sum(
        "Spill" in line and any(name in line for name in vector) for line in assembly.splitlines()
    )


def _optimised(text: str, machine: Any) -> Any:
    module = llvm.parse_assembly(text)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return module


def _machine(target: Target) -> Any:
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="jitdefault"
    )


@cache
def _initialise() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    for name, address in (runtime() or {}).items():
        llvm.add_symbol(name, address)


# -- the disk ---------------------------------------------------------------------------------


def folder() -> Path:
    """Return where compiled kernels are kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "glassconv" / "kernels"


def _read(key: str) -> bytes | None:
    """Return an entry whose content is what was written, None where there is none."""
    try:
        if not _private(folder().stat()):
            return None
        with (folder() / key).open("rb") as file:
            if not _private(os.fstat(file.fileno())):
                return None
            whole = file.read()
    except NOWHERE:
        return None
    digest, code = whole[:DIGEST], whole[DIGEST:]
    return code if _digest(key, code) == digest else None


def _write(key: str, code: bytes) -> None:
    """Keep an entry, whole or not at all; a disk that is full or read-only keeps none."""
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _private(folder().stat()):
            return
        with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
            try:
                file.write(_digest(key, code) + code)
                file.close()
                Path(file.name).replace(folder() / key)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
    except NOWHERE:
        return


def _digest(key: str, code: bytes) -> bytes:
    """Return what an entry begins with: another's content under its name is not its own."""
    return hashlib.sha256(key.encode() + code).digest()


def _private(found: os.stat_result) -> bool:
    """Return whether nobody else can write there; not where the system tells no owner: Windows."""
    mine = hasattr(os, "getuid") and found.st_uid == os.getuid()
    return mine and not found.st_mode & ONLY_OTHERS_WRITE
