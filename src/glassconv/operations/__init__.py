"""Compiled operations between convolutions: `supports` says which, and `step` compiles one."""
