"""Compiling: LLVM's text becomes machine code, which is cached on disk for the next process.

An entry on disk is the SHA-256 of its name and content, then the object file, in a folder that only
its user can write. What cannot be read, written or trusted is compiled again: the cache saves time
and decides nothing. Where the system has no owners of files (Windows), nothing is cached.
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

from glassconv.codegen.cache_folder import cache_folder
from glassconv.codegen.ir import Module
from glassconv.codegen.openmp import runtime
from glassconv.codegen.target import Target, runs
from glassconv.errors import UnsupportedError

DIGEST = 32  # bytes
PASSES = "2"  # raise it when `_optimised` changes: entries made otherwise are then not used
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Compiled:
    """A module's public function in memory, for as long as this object or `call` is kept."""

    name: str
    call: Any  # name(parameters, arrays, tasks, threads)
    address: int
    text: str  # LLVM's
    target: Target
    seconds: float  # it took to compile, 0 from the disk cache

    def address_of(self, function: str) -> int:
        """Return the address of another public function of the module."""
        address: int = self.call.engine.get_function_address(function)
        return address


def compiled(module: Module, name: str) -> Compiled:
    """Compile a module, or load it from the cache.

    A module for a target that this machine does not run is not compiled; its text can be read, and
    calling it raises `UnsupportedError`.
    """
    _initialise()
    text, target = module.text, module.target
    if not runs(target):
        return Compiled(name, _refuse(target), 0, text, target, 0.0)
    origin = (text, target.cpu, target.features, str(llvm.llvm_version_info), PASSES)
    key = hashlib.sha256("\0".join(origin).encode()).hexdigest()
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
    # Numbers pass as addresses do, which have as many bits: ctypes takes a third of the time.
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
    call: Any = kind(address)
    # The code is in the engine's memory: who holds the function holds the engine, too.
    call.engine = engine
    return Compiled(name, call, address, text, target, seconds)


def _refuse(target: Target) -> Any:
    def call(*_: Any) -> None:
        raise UnsupportedError(f"this machine runs no code for {target.name}")

    return call


def object_code(text: str, target: Target) -> bytes:
    """Return the object file of a module, as LLVM compiles it."""
    _initialise()
    machine = _machine(target)
    code: bytes = machine.emit_object(_optimised(text, machine))
    return code


def assembly(text: str, target: Target) -> str:
    """Return the assembly of a module, for any target, with LLVM's comments."""
    _initialise()
    machine = _machine(target)
    machine.set_asm_verbosity(True)  # its comments mark spills
    code: str = machine.emit_assembly(_optimised(text, machine))
    return code


def spills(assembly: str) -> int:
    """Return how many vector registers are stored to memory because none is free.

    >>> spills("vmovups %ymm3, 32(%rsp)  # 32-byte Spill")
    1
    """
    vector = ("ymm", "zmm", "xmm", "\tq", " q")
    return sum(
        "Spill" in line and any(name in line for name in vector) for line in assembly.splitlines()
    )


def _optimised(text: str, machine: Any) -> Any:
    """Return a module that is ready for code generation.

    What is written needs little more: variables in registers and the constants that all callers of
    a function pass put in their places. The code generator hoists, joins and schedules.
    """
    module = llvm.parse_assembly(text)
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    constants = llvm.create_new_module_pass_manager()
    constants.add_ipsccp_pass()
    constants.run(module, builder)
    registers = llvm.create_new_function_pass_manager()
    registers.add_sroa_pass()
    for function in module.functions:
        if not function.is_declaration:
            registers.run(function, builder)
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
    return cache_folder() / "kernels"


def _read(key: str) -> bytes | None:
    """Return the content of an entry as it was written, None where there is none."""
    try:
        if not _private(folder().stat()):
            return None
        with (folder() / key).open("rb") as file:
            if not _private(os.fstat(file.fileno())):
                return None
            whole = file.read()
    except OSError:
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
    except OSError:
        return


def _digest(key: str, code: bytes) -> bytes:
    """Return what an entry begins with; it depends on the name, so entries cannot be swapped."""
    return hashlib.sha256(key.encode() + code).digest()


def _private(status: os.stat_result) -> bool:
    """Return whether a file or folder is the user's, and nobody else can write to it."""
    if not hasattr(os, "getuid"):  # Windows: no owner to compare with
        return False
    return status.st_uid == os.getuid() and not status.st_mode & OTHERS_WRITE
