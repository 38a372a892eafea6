"""A call: from PyTorch's arguments to the algorithm or kernel that computes the output."""
