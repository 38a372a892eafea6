"""Time layers against PyTorch, tune the choice between algorithms, inspect a kernel."""
