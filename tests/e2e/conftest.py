"""One quick demo and one browser for all end-to-end tests."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # running.py

from running import Demo, run_job

DEMO_TIMEOUT_S = 1200
"""Measured: 407 s beside other work."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
]


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    runs = Path(tempfile.mkdtemp(prefix="tf", dir="/tmp"))
    done = run_job("demo", "--quick", "--runs", runs, timeout_s=DEMO_TIMEOUT_S)
    run = runs / "demo"
    yield Demo(runs, run, run / "data" / "store", done)
    shutil.rmtree(runs, ignore_errors=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; `make setup` installs it."""
    from playwright.sync_api import sync_playwright

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(f"no browser ({', '.join(BROWSERS)}): make setup installs it, or apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield opened
        opened.close()
