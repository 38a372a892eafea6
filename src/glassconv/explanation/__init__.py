"""Explain a layer or a problem from its shapes alone."""
