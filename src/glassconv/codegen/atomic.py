"""Instructions on words that several threads use at once, each in one order for all threads."""

from __future__ import annotations

from glassconv.codegen.ir import INT, INT32, VOID, Code, Pointer, Value
from glassconv.codegen.types import BIT, Type

WORD_AND_TRUTH = Type("{ i64, i1 }")  # what a compare-and-set returns


def load(word: Pointer) -> Value:
    """Return the word that another thread may have written."""
    return word.code.emit(INT, f"load atomic {INT}, {word} seq_cst, align 8")


def store(word: Pointer, value: Value) -> None:
    """Write a word that other threads read."""
    word.code.write(f"store atomic {value}, {word} seq_cst, align 8")


def add(word: Pointer, number: Value) -> Value:
    """Add a number to a word, and return what it was before."""
    return word.code.emit(INT, f"atomicrmw add {word}, {number} seq_cst")


def compare_and_set(word: Pointer, expected: Value, value: Value) -> Value:
    """Write a word if it is what is expected, and return whether it was."""
    code = word.code
    exchange = f"cmpxchg {word}, {expected}, {value} seq_cst seq_cst"
    found = code.emit(WORD_AND_TRUTH, exchange)
    return code.emit(BIT, f"extractvalue {found}, 1")


def pause(code: Code) -> None:
    """Let the other thread of this core run while this one only looks at a word."""
    if code.target.triple.startswith("x86"):
        code.call_external("llvm.x86.sse2.pause", VOID, [])
    else:
        code.call_external("llvm.aarch64.hint", VOID, [code.value(1, INT32)])
