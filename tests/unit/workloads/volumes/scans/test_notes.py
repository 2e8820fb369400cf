import json
from pathlib import Path

from app.workloads.volumes.scans.notes import about, grouped, merged, note, write_notes


def test_notes_of_one_kind_become_one() -> None:
    found = [note("forms disagree", "FLAIR by 3 mm"), note("rounded", "by 0.1"), note("forms disagree", "T1w by 4 mm")]
    assert merged([*found, found[0]]) == ("forms disagree: FLAIR by 3 mm; T1w by 4 mm", "rounded: by 0.1")


def test_a_file_is_named_before_the_detail() -> None:
    assert about("a.nii", ("forms disagree: by 3 mm: twice",)) == ("forms disagree: a.nii by 3 mm: twice",)


def test_notes_are_told_by_kind_with_counts_the_most_frequent_first() -> None:
    notes = {f"case_{n}": ("forms disagree: by 3 mm",) for n in range(7, 0, -1)}
    notes["odd"] = ("rounded: by 0.1", "forms disagree: by 5 mm")
    assert grouped(notes) == [
        "note on 8 cases (case_1, case_2, case_3, case_4, case_5, ...): forms disagree: by 3 mm (case_1)",
        "note on odd: rounded: by 0.1",
    ]
    assert grouped({"a": ()}) == grouped({}) == []


def test_notes_are_kept_in_a_file(tmp_path: Path) -> None:
    write_notes(str(tmp_path), {"b": ("x: 1",), "a": ("x: 2", "y: 3")})
    lines = [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text().splitlines()]
    assert lines == [{"id": "a", "notes": ["x: 2", "y: 3"]}, {"id": "b", "notes": ["x: 1"]}]
