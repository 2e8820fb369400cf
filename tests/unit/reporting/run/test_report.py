"""The page of a run whose numbers are known; and of runs whose files are missing or damaged."""

import base64
import json

import pytest
from made_run import NUM_EPOCHS, finished_run, png
from page_reader import Page

from app.reporting.run.report import Report, build_report
from app.reporting.run.run_files import is_wanted

SECTIONS = ["results-test", "predictions", "learning", "timings", "run", "software"]


def report_of(files: dict[str, bytes], pictures: dict[str, bytes] | None = None) -> tuple[Page, Report]:
    report = build_report("demo", files, pictures, {"train": 16, "test": 3}, "on 23 November 2026")
    return Page(report.html), report


def test_every_section_is_there_and_the_sentences_hold_the_numbers() -> None:
    page, _ = report_of(finished_run(), {"CASE_900": png()})
    assert page.headings == SECTIONS
    assert (
        "unet3d (351,809 parameters) was trained for 12 epochs on 16 cases by 2 workers on CPU in 3 min 20 s. "
        "On the 3 cases of the test split, the mean Dice over the regions is 0.839 (95 % interval 0.805 to 0.880)."
    ) in page.words
    assert "Bottleneck: compute. 77.2 %" in page.words
    assert "an empty region counts as found; means are over cases" in page.words


def test_the_tables_hold_the_numbers() -> None:
    page, _ = report_of(finished_run())
    means = page.tables["Means over the cases"]
    assert means[0] == ["Score", "Mean", "95 % interval", "Cases"]
    assert means[1] == ["Dice over the regions", "0.839", "0.805 to 0.880", "3"]
    assert means[4] == ["Dice, enhancing tumour", "0.770", "0.730 to 0.810", "2"]
    assert means[5] == ["HD95 (mm), whole tumour", "2.8", "–", "3"]
    cases = page.tables["Every case of the test split"]
    assert cases[2] == ["CASE_002", "0.870", "0.740", "–", "4.5"]
    phases = {line[0].split("\n")[0]: line[1:] for line in page.tables["Time by phase"]}
    assert phases["All"] == ["3 min 20 s", "100.0 %"]
    assert any(key.startswith("5Training steps") and value == ["2 min 28 s", "74.2 %"] for key, value in phases.items())
    computing = dict(page.tables["Computing"])
    assert computing["Numerics"] == (
        "fp32, channels last: the fastest of those measured before the first step "
        "(fp32 0.912 s, fp32+channels_last 0.481 s)"
    )
    assert computing["Workers"] == "2 (Ray)"
    assert dict(page.tables["Cases in the prepared store"]) == {"training": "16", "test": "3"}
    assert dict(page.tables["Machine"])["memory"] == "24.0 GiB"


@pytest.mark.parametrize(
    ("split", "seen"),
    [
        ("test", "3 cases that training did not see."),
        ("train", "3 cases that training learned from."),
        ("validation", "3 cases that training did not learn from, though they chose the weights that are kept."),
    ],
)
def test_what_the_cases_of_a_split_were_to_the_training(split: str, seen: str) -> None:
    files = {name.replace("evaluation/test/", f"evaluation/{split}/"): c for name, c in finished_run().items()}
    assert seen in report_of(files)[0].words


def test_the_best_epoch_is_marked_in_the_table() -> None:
    page, _ = report_of(finished_run())
    rows = page.tables["Scores on the validation split"]
    assert [line[:2] for line in rows[1:]] == [["1", "first"], ["11", "best, kept"], ["12", "last"]]
    assert rows[2][3] == "0.733"


def test_nothing_is_fetched() -> None:
    page, report = report_of(finished_run(), {"CASE_900": png()})
    assert page.addresses
    assert all(address.startswith("data:") for address in page.addresses)
    assert "url(" not in report.html
    assert "@import" not in report.html
    assert "default-src 'none'" in report.html


def test_pictures_are_inside_the_page_with_their_size_and_words() -> None:
    page, _ = report_of(finished_run(), {"CASE_900": png(7, 5)})
    (image,) = page.images
    assert (image["width"], image["height"]) == ("7", "5")
    assert "CASE_900" in (image["alt"] or "")
    assert base64.b64decode((image["src"] or "").removeprefix("data:image/png;base64,")) == png(7, 5)


def test_only_so_many_pictures_are_shown_and_the_rest_is_counted() -> None:
    page, _ = report_of(finished_run(), {f"CASE_{n}": png() for n in range(8)})
    assert len(page.images) == 6
    assert "2 more pictures" in page.words


def test_names_that_look_like_markup_stay_text() -> None:
    files = finished_run()
    files["evaluation/test/cases.csv"] = b"case,dice\n<script>alert(1)</script>,0.5\n"
    report = build_report("<b>run</b> & co", files, {'"><script>': png()})
    assert "<script" not in report.html
    assert "&lt;b&gt;run&lt;/b&gt; &amp; co" in report.html
    Page(report.html)


@pytest.mark.parametrize(
    ("absent", "lost"),
    [
        (["metrics.jsonl"], {"learning"}),
        (["record.json"], {"timings", "software"}),
        (["evaluation/test/summary.json", "evaluation/test/cases.csv"], {"results-test"}),
        (["evaluation/test/summary.json"], set()),
        (["evaluation/test/cases.csv"], set()),
        (["config.json"], set()),
        (["config.json", "record.json"], {"run", "timings", "software"}),
    ],
)
def test_a_section_whose_files_are_missing_is_left_out(absent: list[str], lost: set[str]) -> None:
    files = finished_run()
    for name in absent:
        del files[name]
    page, report = report_of(files, {"CASE_900": png()})
    assert page.headings == [name for name in SECTIONS if name not in lost]
    assert report.data["problems"] == []


@pytest.mark.parametrize(
    ("name", "content", "lost", "reason"),
    [
        ("record.json", b'{"name": "de', {"timings", "software"}, "record.json"),
        ("record.json", b"\xff\xfe", {"timings", "software"}, "record.json"),
        ("metrics.jsonl", b'{"epoch": 1, "loss": "low", "elapsed_s": 3}\n', {"learning"}, "loss: got 'low'"),
        ("metrics.jsonl", b"[1]\n", {"learning"}, "expected names with values"),
        ("evaluation/test/cases.csv", b"case,dice\nA,0.5,9\n", {"results-test"}, "3 columns, expected 2"),
        ("evaluation/test/cases.csv", b"case,dice\nA,good\n", {"results-test"}, "got 'good'"),
        ("evaluation/test/cases.csv", b"", {"results-test"}, "cases.csv"),
        ("evaluation/test/summary.json", b'{"scores": {"dice": 3}}', {"results-test"}, "dice"),
    ],
)
def test_a_damaged_file_costs_its_section_and_is_named(name: str, content: bytes, lost: set[str], reason: str) -> None:
    page, report = report_of({**finished_run(), name: content}, {"CASE_900": png()})
    assert page.headings == [section for section in SECTIONS if section not in lost]
    (problem,) = report.data["problems"]
    assert name in problem["file"]
    assert reason in f"{problem['file']}: {problem['reason']}"
    assert problem["file"] in page.words


def test_a_picture_that_was_cut_is_left_out_and_named() -> None:
    page, report = report_of(finished_run(), {"CASE_900": png()[:-5], "CASE_901": png()})
    assert [image["alt"] for image in page.images] == ["Slices of CASE_901 in three planes, predicted regions outlined"]
    assert [problem["file"] for problem in report.data["problems"]] == ["CASE_900"]


def test_a_training_under_way_says_how_far_it_is() -> None:
    files = finished_run()
    del files["record.json"]
    files["metrics.jsonl"] = b"".join(files["metrics.jsonl"].splitlines(keepends=True)[:7]) + b'{"epoch": 8, "lo'
    page, _ = report_of(files)
    assert f"epoch 7 of {NUM_EPOCHS} is the last that was written" in page.words


def test_the_data_hold_what_the_page_shows() -> None:
    _, report = report_of(finished_run(), {"CASE_900": png()})
    data = json.loads(json.dumps(report.data))
    assert data["evaluations"]["test"]["means"]["dice"]["mean"] == 0.839
    assert data["evaluations"]["test"]["cases"][1] == {
        "id": "CASE_002",
        "scores": {"dice_WT": 0.87, "dice_TC": 0.74, "dice_ET": None, "hd95_mm_WT": 4.5},
    }
    assert data["record"]["timings"]["step_s"] == 148.5
    assert len(data["epochs"]) == NUM_EPOCHS
    assert data["pictures"] == ["CASE_900"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("record.json", True),
        ("evaluation/test/cases.csv", True),
        ("evaluation/test/deeper/cases.csv", False),
        ("checkpoint/last.pt", False),
        ("tensorboard/record.json", False),
        ("documents/ensemble.json", True),
        ("documents/text/record.json", True),
        ("documents/text/cases.csv", False),
    ],
)
def test_only_what_is_shown_is_read(name: str, wanted: bool) -> None:
    assert is_wanted(name) is wanted
