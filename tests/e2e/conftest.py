"""One quick demo, one head of Ray and one browser for all end-to-end tests."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # running.py

from running import BIN, ROOT, Demo, Head, free_port, run_job

from app.command_line import ENVIRONMENT

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


HEAD_WITHIN_S = 240
"""Measured: 10 s alone, two minutes on a machine of much other work."""


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """For the README's promise of `ray job submit`, and for the gauges of docs/dashboard.md."""
    folder = Path(tempfile.mkdtemp(prefix="tf", dir="/tmp"))
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    port, dashboard, metrics = free_port(), free_port(), free_port()
    environment = dict(os.environ) | ENVIRONMENT
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "PATH": f"{BIN}:{os.environ['PATH']}"}
    environment.pop("RAY_ADDRESS", None)
    started = subprocess.Popen(
        [
            *(str(BIN / "ray"), "start", "--head", "--block", "--node-ip-address", "127.0.0.1", "--port", str(port)),
            *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard)),
            # Ports of its own: one that another Ray of this machine holds ends the agent that starts jobs.
            *("--dashboard-agent-listen-port", str(free_port()), "--dashboard-agent-grpc-port", str(free_port())),
            *("--metrics-export-port", str(metrics), "--system-config", '{"metrics_report_interval_ms": 1000}'),
            *("--num-cpus", "4", "--num-gpus", "0", "--object-store-memory", str(256 * 2**20)),
            *("--temp-dir", str(folder / "ray"), "--disable-usage-stats"),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address, until_s = f"http://127.0.0.1:{dashboard}", time.monotonic() + HEAD_WITHIN_S
    try:
        while not answers(f"{address}/api/jobs/", token.read_text()):
            assert started.poll() is None and time.monotonic() < until_s, "Ray's head does not start"
            time.sleep(0.2)
        yield Head(address, f"127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics", environment, folder)
    finally:
        os.killpg(started.pid, signal.SIGKILL)  # told to end, it waits half a minute for its agents
        started.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def answers(address: str, token: str) -> bool:
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False


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
