"""Whole networks: loaded from a library, from the user's own code, or from a file."""
