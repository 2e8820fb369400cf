"""A study's report as a browser shows it: from a file, without a single request, legible on screen and paper."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import run_job

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "reporting"))  # made_study.py

from made_study import study, trial_name, write_study

pytestmark = pytest.mark.timeout(600)

STRATEGIES = (("experiment-parallel", 1), ("hybrid:2", 2), ("data-parallel", 4))
FAILED = 3
"""Number of the trial that fails under the second strategy."""
A4_WIDTH = 680
"""Pixels of 96 to the inch between the margins of the page."""
MAX_PDF_BYTES = 3_000_000
"""Measured: 0.2 MB; with patterns instead of gradients it was 87 MB."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of eight trials on four workers under three strategies; one of them has a failed trial, one other scores."""
    root = tmp_path_factory.mktemp("study")
    folders = []
    for strategy, k in STRATEGIES:
        made = study(strategy, k, shift=-0.05 if k == 4 else 0.0)
        if k == 2:
            trials = list(made.trials)
            failed = {"status": "failed", "record": None, "failure": "the loss is nan at step 7"}
            trials[FAILED] = dataclasses.replace(trials[FAILED], **failed)
            made = dataclasses.replace(made, status="failed", trials=tuple(trials))
        folders.append(write_study(root / strategy.replace(":", "-"), made, noise=k * 1e-6))
    done = run_job(
        "report", "--study", *folders, "--price-per-hour", "2.5", "--out", root / "report.html", timeout_s=120
    )
    assert done.exit_code == 0, done.stderr
    return root / "report.html"


@pytest.fixture(scope="module")
def opened(report: Path, browser: Any) -> Iterator[tuple[Any, list[str]]]:
    """The page, and what went wrong while it loaded."""
    trouble: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page = context.new_page()
    page.on("console", lambda message: trouble.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("requestfailed", lambda request: trouble.append(f"failed: {request.url[:80]}"))
    page.on("request", lambda request: trouble.append(request.url) if is_foreign(request.url, report) else None)
    page.goto(report.as_uri(), wait_until="load")
    yield page, trouble
    context.close()


def is_foreign(url: str, report: Path) -> bool:
    return not url.startswith("data:") and url != report.as_uri()


def test_it_loads_without_errors_or_requests(opened: tuple[Any, list[str]]) -> None:
    page, trouble = opened
    assert page.title() == "seed-grid – study report"
    assert trouble == []


def test_every_section_and_warning_is_there(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    headings = page.eval_on_selector_all("h2", "all => all.map(h => h.id)")
    assert headings == ["strategies", "time", "timeline", "trials", "parity", "curves", "failures", "software"]
    lede = page.locator(".lede").inner_text()
    assert "took 2 min 04 s experiment-parallel and 2 min 36 s data-parallel, on 4 CPU workers" in lede
    assert "1.26 times as fast as data-parallel" in lede and "disagree" in lede
    problems = page.locator(".problem").all_inner_texts()
    assert problems[0] == "hybrid:2: ended with failed trials: 7 finished, 1 failed of 8 trials."
    assert "the loss is nan at step 7" in page.locator("#failures + div").inner_text()
    assert problems[1].startswith(f"{trial_name(0)}: Dice over the regions (validation) is 0.550 experiment-parallel")


def test_bars_and_timelines_have_their_parts(opened: tuple[Any, list[str]], report: Path) -> None:
    page, _ = opened
    data = json.loads(report.with_suffix(".json").read_text())
    wanted = sum(amount > 0 for run in data["runs"] for amount in run["cost"]["worker_s"].values())
    parts = page.eval_on_selector_all("svg.bar .part", "all => all.map(p => p.getBoundingClientRect().width)")
    assert len(parts) == wanted == 21 and all(width > 0 for width in parts)
    frames = page.eval_on_selector_all("svg.timeline", "all => all.map(s => s.querySelectorAll('.frame').length)")
    assert frames == [8, 8, 8] and page.locator(".frame.failed").count() == 1
    fills = page.eval_on_selector_all("svg.bar .part", "all => [...new Set(all.map(p => getComputedStyle(p).fill))]")
    assert len(fills) == 7, "each kind has a look of its own"


def test_timelines_are_as_long_as_their_makespans(opened: tuple[Any, list[str]], report: Path) -> None:
    page, _ = opened
    data = json.loads(report.with_suffix(".json").read_text())
    lengths = page.eval_on_selector_all(
        "svg.timeline",
        """all => all.map(s => { const b = [...s.querySelectorAll('.part')].map(p => p.getBoundingClientRect());
        return Math.max(...b.map(r => r.right)) - Math.min(...b.map(r => r.left)) })""",
    )
    makespans = [run["cost"]["makespan_s"] for run in data["runs"]]
    for length, makespan_s in zip(lengths, makespans, strict=True):
        assert length / lengths[0] == pytest.approx(makespan_s / makespans[0], rel=0.01)


def test_every_chart_is_drawn_and_described(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    charts = page.eval_on_selector_all(
        "svg[role=img]", "all => all.map(s => [s.querySelector('title').textContent, s.clientWidth, s.clientHeight])"
    )
    assert len(charts) == 1 + 3 + 2 + 8
    assert all(title and width > 150 and height > 60 for title, width, height in charts)


def test_nothing_is_wider_than_the_page(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    for width, media in ((1200, "screen"), (400, "screen"), (A4_WIDTH, "print")):
        page.emulate_media(media=media)
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, media
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1200, "height": 900})


def test_on_paper_everything_is_shown_and_the_file_is_small(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF") and len(content) < MAX_PDF_BYTES
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") + content.count(b"/Type /Page/") >= 3
