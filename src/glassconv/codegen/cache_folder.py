"""Where glassconv keeps what it computed on this machine: compiled kernels and measurements."""

from __future__ import annotations

import os
from pathlib import Path

from glassconv.errors import DataError


def cache_folder() -> Path:
    """Return the user's cache folder of glassconv, which need not exist.

    It is $XDG_CACHE_HOME/glassconv, or ~/.cache/glassconv if the variable is unset or relative, as
    the XDG Base Directory Specification says. Raises `DataError` for a user without a home folder,
    such as a container's.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if home.is_absolute():
        return home / "glassconv"
    try:
        return Path.home() / ".cache" / "glassconv"
    except RuntimeError:
        raise DataError("this user has no home folder: set XDG_CACHE_HOME to a folder") from None
