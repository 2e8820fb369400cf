from pathlib import Path

import pytest
from quarantine_files import read_quarantine

from app.data.store.quarantine import (
    QUARANTINE_NAME,
    Quarantined,
    check_bad_share,
    summary_lines,
    write_quarantine,
)
from app.errors import DataError

BAD = [Quarantined("b", "/x/b.nii.gz", 'truncated: "3" bytes'), Quarantined("a", "/x/a.nii.gz", "label 7")]


def test_the_list_is_one_json_line_a_case_by_id(tmp_path: Path) -> None:
    write_quarantine(str(tmp_path), BAD)
    lines = (tmp_path / QUARANTINE_NAME).read_text().splitlines()
    assert lines[0] == '{"id": "a", "file": "/x/a.nii.gz", "reason": "label 7"}'
    assert len(lines) == 2
    assert read_quarantine(str(tmp_path)) == [BAD[1], BAD[0]]


def test_an_empty_list_says_that_nothing_was_bad(tmp_path: Path) -> None:
    write_quarantine(str(tmp_path), [])
    assert read_quarantine(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("num_good", "num_bad", "max_bad_fraction", "fails"),
    [
        (8, 2, 0.2, False),
        (7, 2, 0.2, True),
        (0, 2, 1.0, True),
        (1, 2, 1.0, False),
        (5, 0, 0.0, False),
        (0, 0, 1.0, True),
    ],
)
def test_a_job_fails_when_nothing_is_good_or_too_much_is_bad(
    num_good: int, num_bad: int, max_bad_fraction: float, fails: bool
) -> None:
    if not fails:
        check_bad_share(num_good, BAD[:num_bad], max_bad_fraction, "/s")
        return
    with pytest.raises(DataError) as error:
        check_bad_share(num_good, BAD[:num_bad], max_bad_fraction, "/s")
    if num_bad:
        assert "/x/a.nii.gz: label 7" in str(error.value)
        assert "/s/quarantine.jsonl" in str(error.value)


def test_the_end_of_a_job_groups_the_bad_by_reason() -> None:
    bad = [Quarantined(f"c{i}", f"/x/c{i}", f"shape ({i}, 2) differs from (3, 2) of /x/{i}.nii") for i in range(7)]
    bad += [Quarantined("d", "/x/d", "truncated: 3 bytes"), Quarantined("b", "/x/b", "truncated: 5 bytes")]
    assert summary_lines(bad, "store/quarantine.jsonl") == [
        "quarantined 7: shape (0, 2) differs from (3, 2) of /x/0.nii: c0, c1, c2, c3, c4 and 2 more",
        "quarantined 2: truncated: 5 bytes: b, d",
        "every one, with its file and reason, stands in store/quarantine.jsonl",
    ]


def test_rare_reasons_are_counted_and_nothing_bad_says_nothing() -> None:
    bad = [Quarantined(f"c{i}", "f", word) for i, word in enumerate(["a", "b", "c", "d", "e", "f", "g"])]
    lines = summary_lines([*bad, Quarantined("z", "f", "g")], "q")
    assert lines[0] == "quarantined 2: g: c6, z"
    assert lines[-2:] == ["quarantined 2: for 2 other reasons", "every one, with its file and reason, stands in q"]
    assert summary_lines([], "q") == []
