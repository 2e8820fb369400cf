"""What was changed or assumed about a case without refusing it: told by the jobs, kept with the case.

A note is one line, "WHAT: DETAIL". WHAT is the same for every case that it befell and holds no colon; DETAIL says what
was seen in this one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from app.data import files
from app.printable import redacted

NOTES_NAME = "notes.jsonl"
MAX_NAMED = 5
"""Cases named in a line; the list is in the store's manifest and in the file of notes."""


def note(what: str, detail: str) -> str:
    assert ": " not in what, what
    return f"{what}: {detail}"


def about(name: str, notes: Iterable[str]) -> tuple[str, ...]:
    """The notes with `name`, such as that of a file, before their details."""
    return tuple(note(what, f"{name} {detail}") for what, _, detail in (n.partition(": ") for n in notes))


def merged(notes: Iterable[str]) -> tuple[str, ...]:
    """One note for each WHAT, with all details that differ, in the order of their first."""
    details: dict[str, dict[str, None]] = {}
    for what, _, detail in (n.partition(": ") for n in notes):
        details.setdefault(what, {})[detail] = None
    return tuple(note(what, "; ".join(found)) for what, found in details.items())


def grouped(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines that tell the notes of many cases, by id: one for each WHAT, the most frequent first.

    Such as `note on 2 cases (a, b): sform and qform disagree, the sform counts: t1.nii.gz by up to 13 mm (a)`.
    """
    cases: dict[str, list[tuple[str, str]]] = {}
    for case_id in sorted(notes):
        for what, _, detail in (n.partition(": ") for n in notes[case_id]):
            cases.setdefault(what, []).append((case_id, detail))
    return [_line(what, found) for what, found in sorted(cases.items(), key=lambda item: (-len(item[1]), item[0]))]


def write_notes(folder: str, notes: Mapping[str, Sequence[str]]) -> None:
    """`notes.jsonl`, a line for each case that has notes, sorted by id; an empty file says that there was nothing.

    Raises:
        DataError: the place cannot be written.
    """
    lines = [json.dumps(redacted({"id": case_id, "notes": list(notes[case_id])})) + "\n" for case_id in sorted(notes)]
    files.write_bytes_atomic(files.join(folder, NOTES_NAME), "".join(lines).encode())


def _line(what: str, found: list[tuple[str, str]]) -> str:
    first, detail = found[0]
    if len(found) == 1:
        return f"note on {first}: {what}: {detail}"
    named = ", ".join(case_id for case_id, _ in found[:MAX_NAMED]) + (", ..." if len(found) > MAX_NAMED else "")
    return f"note on {len(found)} cases ({named}): {what}: {detail} ({first})"
