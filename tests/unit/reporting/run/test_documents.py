"""The report's part on documents, from files made by hand."""

import json
from typing import Any

import pytest
from made_run import finished_run, png

from app.reporting.run.page_sheet import SheetPage, sheet_data
from app.reporting.run.report import Report, build_report


def method(mean: float, *values: float) -> dict[str, Any]:
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "std": None, "values": [*values]}


def against(difference: float, low: float, high: float, verdict: str) -> dict[str, Any]:
    return {"difference": difference, "low": low, "high": high, "verdict": verdict}


def ensemble() -> dict[str, Any]:
    return {
        "num_pages": [60],
        "chance": 0.125,
        "accuracy": {"image": method(0.5, 0.5), "text": method(0.55, 0.55), "average": method(0.75, 0.75)},
        "against": {
            "average": {
                "image": against(0.25, 0.1, 0.4, "better"),
                "text": against(0.2, -0.05, 0.35, "no significant difference"),
            }
        },
        "interval": "95 % paired",
    }


def page(name: str, share: float, truth: str) -> SheetPage:
    both = {"memo": share, "letter": 1 - share}
    return SheetPage(name, png(), 4, 3, {"image": both, "both": both}, "read <so>", truth)


def files() -> dict[str, bytes]:
    """Of a finished run with documents."""
    record = json.loads(finished_run()["record.json"])
    del record["checksum"]
    record |= {"name": "reader", "metrics": {"epoch": 3, "accuracy": 0.625}}
    record |= {"origin": {"source": "/somewhere/runs/first/checkpoint/best.pt"}}
    record["experiment"] |= {"task": {"model": "/somewhere/small-bert"}}
    pages = [page("sure", 0.95, "memo"), page("unsure", 0.6, "letter")]
    return finished_run() | {
        "documents/ensemble.json": json.dumps(ensemble()).encode(),
        "documents/text/record.json": json.dumps(record).encode(),
        "documents/predictions/sheet.json": json.dumps(sheet_data("new", pages)).encode(),
    }


def report_of(found: dict[str, bytes]) -> Report:
    return build_report("demo", found)


def test_the_section_shows_what_the_files_hold() -> None:
    html = report_of(files()).html
    assert html.count('<h2 id="documents">') == 1 and 'href="#documents"' in html
    shown = (
        "75.0 %",
        "65.0 % to 85.0 %",
        "+25.0",
        "+10.0 to +40.0",
        "−5.0 to +35.0",
        "better",
        "no significant difference",
    )
    assert [words for words in shown if words not in html] == []
    assert "60 pages of the test split" in html and "most frequent class: 12.5 %" in html
    assert "small-bert, begun with the weights of first" in html and "62.5 %" in html
    assert "/somewhere" not in html.split('id="documents"')[1]


def test_thumbnails_are_there_with_their_truth_the_most_doubtful_first() -> None:
    html = report_of(files()).html
    assert html.index("Page unsure") < html.index("Page sure")
    assert "Of 2 with a known class 1 are right (50.0 %)" in html
    assert "read &lt;so&gt;" in html


def test_the_numbers_are_data_too() -> None:
    data = json.loads(json.dumps(report_of(files()).data))["documents"]
    assert data["ensemble"]["methods"][2]["accuracy"] == 0.75
    assert data["trainings"] == ["reader"]
    assert [entry["name"] for entry in data["pages"]] == ["unsure", "sure"]


def test_without_documents_nothing_is_said_of_them() -> None:
    report = report_of(finished_run())
    assert "documents" not in report.html and report.data["documents"] is None


def test_a_damaged_file_costs_its_part_alone() -> None:
    for name in ("documents/ensemble.json", "documents/text/record.json", "documents/predictions/sheet.json"):
        for content in (b"{}", b"[1]", b"{"):
            report = report_of(files() | {name: content})
            assert [problem["file"] for problem in report.data["problems"]] == [name]
            assert 'id="documents"' in report.html


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ({}, "random weights"),
        ({"source": "bert-base-uncased", "note": None}, "the weights of bert-base-uncased"),
        ({"source": "/runs/small-bert", "note": {"weights": "random"}}, "random weights"),
    ],
)
def test_it_says_where_weights_began(origin: dict[str, Any], told: str) -> None:
    record = json.loads(files()["documents/text/record.json"]) | {"origin": origin}
    html = report_of(files() | {"documents/text/record.json": json.dumps(record).encode()}).html
    assert f"small-bert, begun with {told}<" in html
