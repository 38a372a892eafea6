"""Generated code: written in Python, compiled by LLVM, run on PyTorch's threads."""
