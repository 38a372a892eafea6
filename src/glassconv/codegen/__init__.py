"""LLVM from Python: what the processor has, loops and vectors, compiled code, threads."""
