"""Where glassconv keeps what it computed on this machine: compiled kernels and measurements."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the user's cache folder of glassconv, which need not exist.

    It is $XDG_CACHE_HOME/glassconv, or ~/.cache/glassconv if the variable is unset or relative, as
    the XDG Base Directory Specification says.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "glassconv"
