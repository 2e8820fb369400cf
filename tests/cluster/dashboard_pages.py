"""Run on a cluster's client: opens Ray's dashboard in headless Chromium, as a person would, and keeps what it shows.

Prints the text of each page as JSON, by the page's name; its picture is FOLDER/NAME.png.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PAGES = {"cluster": "#/cluster", "jobs": "#/jobs", "actors": "#/actors"}
"""By name, the place of each."""
WAIT_MS = 90_000


def look(address: str, words: dict[str, str], folder: Path) -> dict[str, str]:
    """The text of each page of PAGES once the word that is wanted stands there."""
    token = Path("~/.ray/auth_token").expanduser().read_text().strip()
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 2100, "height": 820})
        page.set_default_timeout(WAIT_MS)
        page.goto(address)
        page.get_by_text("Authentication Token Required").wait_for()
        page.screenshot(path=folder / "token.png")
        found["token"] = page.inner_text("body")
        enter(page, "0" * 64)
        page.get_by_role("alert").wait_for()
        found["wrong token"] = page.inner_text("body")
        enter(page, token)
        page.get_by_text("Authentication Token Required").wait_for(state="detached")
        for name, place in PAGES.items():
            page.goto(f"{address}/{place}")
            page.get_by_text(words[name]).first.wait_for()
            page.wait_for_timeout(3000)  # what the page asks for one after the other
            page.screenshot(path=folder / f"{name}.png")
            found[name] = page.inner_text("body")
        browser.close()
    return found


def enter(page: Any, token: str) -> None:
    field = page.get_by_label("Authentication Token", exact=True)
    field.fill(token)
    field.press("Enter")


if __name__ == "__main__":
    told = look(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.write(json.dumps(told))
