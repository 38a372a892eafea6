"""Parts of the Winograd kernels."""
