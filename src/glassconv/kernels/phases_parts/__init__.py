"""The parts of the transposed convolution's kernel."""
