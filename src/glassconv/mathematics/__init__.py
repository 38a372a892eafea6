"""Exact mathematics that algorithms, kernels and figures share."""
