"""Every run of the tests is the same run: hypothesis has a fixed seed and no deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("glassconv", derandomize=True, deadline=None)
settings.load_profile("glassconv")
