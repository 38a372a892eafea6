"""Compiled: LLVM's text made into machine code, kept on disk for the next process.

An entry on disk is the object file after its own SHA-256, in a folder only its user can write.
What cannot be read, written or trusted is compiled again: the cache saves time and decides nothing.
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
from glassconv.codegen.target import Target

DIGEST = 32  # bytes
ONLY_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


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
    """Compile a module for this machine, or load what was compiled before."""
    _initialise()
    text, target = module.text, module.target
    key = hashlib.sha256(
        "\0".join([text, target.cpu, target.features, str(llvm.llvm_version_info)]).encode()
    ).hexdigest()
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


def object_code(text: str, target: Target) -> bytes:
    """Return the object file that LLVM makes of a module."""
    _initialise()
    machine = _machine(target)
    code: bytes = machine.emit_object(_optimised(text, machine))
    return code


def assembly(text: str, target: Target) -> str:
    """Return the assembly that LLVM makes of a module, for any target."""
    _initialise()
    machine = _machine(target)
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
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "glassconv" / "kernels"


def _read(key: str) -> bytes | None:
    """Return an entry whose content is what was written, None where there is none."""
    try:
        if not _private(folder()):
            return None
        whole = (folder() / key).read_bytes()
    except OSError:
        return None
    digest, code = whole[:DIGEST], whole[DIGEST:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(key: str, code: bytes) -> None:
    """Keep an entry, whole or not at all; a disk that is full or read-only keeps none."""
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _private(folder()):
            return
        with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
            try:
                file.write(hashlib.sha256(code).digest() + code)
                file.close()
                Path(file.name).replace(folder() / key)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
    except OSError:
        return


def _private(place: Path) -> bool:
    found = place.stat()
    return found.st_uid == os.getuid() and not found.st_mode & ONLY_OTHERS_WRITE
