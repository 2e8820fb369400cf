"""The demo's report as a browser shows it: complete, legible, in light and dark, without a single request."""

import csv
import json
from collections.abc import Iterator
from typing import Any

import pytest
from running import Demo

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def opened(demo: Demo, browser: Any) -> Iterator[tuple[Any, list[str]]]:
    """The page, and what went wrong while it loaded."""
    trouble: list[str] = []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("console", lambda message: trouble.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("requestfailed", lambda request: trouble.append(f"failed: {request.url[:80]}"))
    page.on("request", lambda request: trouble.append(request.url) if is_foreign(request.url, demo) else None)
    page.goto((demo.run / "report.html").as_uri(), wait_until="load")
    yield page, trouble
    page.close()


def is_foreign(url: str, demo: Demo) -> bool:
    return not url.startswith("data:") and url != (demo.run / "report.html").as_uri()


def table(page: Any, caption: str) -> list[list[str]]:
    rows: list[list[str]] = page.evaluate(
        """caption => [...document.querySelectorAll('table')].filter(t => t.caption?.innerText === caption)
        .flatMap(t => [...t.rows].map(r => [...r.cells].map(c => c.innerText.trim())))""",
        caption,
    )
    return rows


def test_it_loads_without_errors_or_requests(opened: tuple[Any, list[str]]) -> None:
    page, trouble = opened
    assert page.title() == "demo – training report"
    assert trouble == []


def test_every_section_is_there(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    headings = page.eval_on_selector_all("h2", "all => all.map(h => h.id)")
    assert headings == ["results-test", "predictions", "learning", "timings", "run", "documents", "software"]
    assert page.locator(".problem").count() == 0


def test_every_picture_is_decoded_and_described(opened: tuple[Any, list[str]], demo: Demo) -> None:
    page, _ = opened
    measures = "all => all.map(i => [i.complete, i.naturalWidth, i.width, i.alt])"
    images = page.eval_on_selector_all("figure img", measures)
    assert len(images) == len(list((demo.run / "predictions").glob("*.png"))) == 2
    for complete, natural_width, width, alternative in images:
        assert complete
        assert natural_width > 600
        assert width > 600
        assert "BRATS_" in alternative
    charts = page.eval_on_selector_all(
        "svg", "all => all.map(s => [s.querySelector('title').textContent, s.clientWidth])"
    )
    assert len(charts) == 5
    sheet = page.eval_on_selector_all(".card img", "all => all.map(i => [i.complete, i.naturalWidth, i.width])")
    assert len(sheet) == 10
    assert all(complete and natural_width > 100 and width > 150 for complete, natural_width, width in sheet)
    assert all(title and width > 300 for title, width in charts)


def test_the_tables_show_what_the_files_hold(opened: tuple[Any, list[str]], demo: Demo) -> None:
    page, _ = opened
    summary = json.loads((demo.run / "evaluation" / "test" / "summary.json").read_text())
    means = {row[0]: row[1] for row in table(page, "Means over the cases")}
    assert means["Dice over the regions"] == f"{summary['scores']['dice']['mean']:.3f}"
    assert means["Dice, enhancing tumour"] == f"{summary['scores']['dice_ET']['mean']:.3f}"
    with (demo.run / "evaluation" / "test" / "cases.csv").open() as file:
        cases = list(csv.DictReader(file))
    shown = table(page, "Every case of the test split")
    place = shown[0].index("Dice WT")
    assert [(row[0], row[place]) for row in shown[1:]] == [(c["case"], f"{float(c['dice_WT']):.3f}") for c in cases]
    record = json.loads((demo.run / "record.json").read_text())
    rates = dict(table(page, "Rates"))
    assert float(rates["Samples per second"]) == pytest.approx(record["samples_per_s"], rel=0.01)
    assert dict(table(page, "Cases in the prepared store")) == {
        "training": "5",
        "validation": "2",
        "test": "1",
        "unlabelled": "1",
    }


def test_the_ensemble_is_shown_as_it_was_found(opened: tuple[Any, list[str]], demo: Demo) -> None:
    page, _ = opened
    found = json.loads((demo.run / "documents" / "ensemble.json").read_text())["accuracy"]
    shown = [row[0].split("\n")[0] + " " + row[1] for row in table(page, "Accuracy by method")[1:]]
    assert shown == [f"{name} {100 * method['mean']:.1f} %" for name, method in found.items()]


def test_nothing_is_wider_than_the_page(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    for width in (1200, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1200, "height": 900})


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_text_stands_out_from_its_ground(opened: tuple[Any, list[str]], scheme: str, media: str) -> None:
    page, _ = opened
    page.emulate_media(color_scheme=scheme, media=media)
    pairs = page.evaluate(CONTRASTS)
    page.emulate_media(color_scheme="light", media="screen")
    assert len(pairs) > 20
    low = {name: ratio for name, ratio in pairs if ratio < 4.5}  # WCAG 2.1, level AA
    assert not low


CONTRASTS = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const kinds = 'h1, h2, p, dt, dd, small, th, td, caption, figcaption, .swatch, svg text';
  for (const e of document.querySelectorAll(kinds)) {
    if (!e.textContent.trim()) continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    if (svg && e.classList.contains('label')) continue;  // on a part of the bar, not on the page
    const [a, b] = [light(parse(svg ? style.fill : style.color)), light(ground(svg ? e.closest('figure') : e))];
    found.push([`${e.tagName} ${e.textContent.slice(0, 20)}`, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
}"""


def test_on_paper_everything_is_shown(opened: tuple[Any, list[str]], demo: Demo) -> None:
    page, _ = opened
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") + content.count(b"/Type /Page/") >= 3
