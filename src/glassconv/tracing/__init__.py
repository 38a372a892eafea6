"""Run an algorithm, or both gradients, step by step and keep every array."""
