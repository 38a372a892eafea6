"""A real browser for tests: Chromium, driven by playwright-core, which web/ installs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[1] / "web"


def drive(script: str, address: str, screenshot: Path, *how: str) -> dict[str, Any]:
    """Return what a script of web/tests saw at an address; without a browser, skip the test."""
    node, chromium = shutil.which("node"), shutil.which("chromium")
    if node is None or chromium is None:
        pytest.skip("needs node and chromium, which are not both installed")
    if not (WEB / "node_modules" / "playwright-core").is_dir():
        pytest.skip("needs playwright-core: npm ci in web/")
    program = [node, str(WEB / "tests" / script), address, chromium, str(screenshot), *how]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen
