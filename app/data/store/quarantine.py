"""Cases that are not fit for use: they never stop a job and never get in; `quarantine.jsonl` says why."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.console import say
from app.data import files
from app.errors import DataError
from app.printable import redacted

QUARANTINE_NAME = "quarantine.jsonl"


@dataclass(frozen=True)
class Quarantined:
    """One bad case: which file is at fault and what is wrong with it."""

    id: str
    file: str
    reason: str


MAX_BAD_SAID = 20
"""Bad cases shown one by one; of 400,000 too many may be bad to read."""
MAX_GROUPS = 5
MAX_NAMED = 5


def say_bad(bad: Sequence[Quarantined], num_before: int) -> None:
    """Show bad cases as they are found, up to MAX_BAD_SAID of all; `num_before` were shown already."""
    for entry in bad[: max(0, MAX_BAD_SAID - num_before)]:
        say(f"quarantined {entry.id}: {entry.file}: {entry.reason}")
    if num_before < MAX_BAD_SAID <= num_before + len(bad):
        say(f"further ones are not shown here; the list will be in the store's {QUARANTINE_NAME}")


def summary_lines(bad: Sequence[Quarantined], where: str) -> list[str]:
    """What to say at the end of a job: a line for each of the commonest reasons, with the first cases it was found for.

    Reasons that differ in numbers and paths alone are one, shown by its first case.

    Args:
        bad: in any order.
        where: the file with the whole list.
    """
    groups: dict[str, list[Quarantined]] = {}
    for case in sorted(bad, key=lambda c: c.id):
        groups.setdefault(re.sub(r"\S*/\S*|\d+(\.\d+)?", "#", case.reason), []).append(case)
    common = sorted(groups.values(), key=len, reverse=True)[:MAX_GROUPS]
    lines = []
    for cases in common:
        named = ", ".join(case.id for case in cases[:MAX_NAMED])
        more = f" and {len(cases) - MAX_NAMED} more" if len(cases) > MAX_NAMED else ""
        lines.append(f"quarantined {len(cases)}: {cases[0].reason}: {named}{more}")
    if len(groups) > MAX_GROUPS:
        num_rest = len(bad) - sum(map(len, common))
        lines.append(f"quarantined {num_rest}: for {len(groups) - MAX_GROUPS} other reasons")
    return [*lines, f"every one, with its file and reason, stands in {where}"] if bad else []


def write_quarantine(store: str, cases: Sequence[Quarantined]) -> None:
    """Write the list, sorted by id; an empty list leaves an empty file, which says that nothing was bad."""
    lines = [json.dumps(redacted(asdict(case))) + "\n" for case in sorted(cases, key=lambda c: c.id)]
    files.write_bytes_atomic(files.join(store, QUARANTINE_NAME), "".join(lines).encode())


def check_bad_share(num_good: int, bad: Sequence[Quarantined], max_bad_fraction: float, store: str) -> None:
    """End the job when nothing good is left or too much is bad.

    Raises:
        DataError: with the counts, the first reason and where the list is.
    """
    num_all = num_good + len(bad)
    if num_all == 0:
        raise DataError("no case at all was found")
    if not bad or (num_good and len(bad) <= max_bad_fraction * num_all):
        return
    first = min(bad, key=lambda c: c.id)
    raise DataError(
        f"{len(bad)} of {num_all} cases are bad, at most {max_bad_fraction:.0%} and one good case are allowed; "
        f"see {files.join(store, QUARANTINE_NAME)}; the first: {first.file}: {first.reason}"
    )
