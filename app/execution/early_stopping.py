"""Which trials end early. Each decides for itself at the end of an epoch, from what the others have written down: the
rule needs no coordinator, and a restart finds the same files."""

import json
from dataclasses import dataclass

from app.data import files
from app.experiment import EarlyStopping

STOPPED_FILE = "stopped.json"


class StoppedEarly(Exception):
    """Ends a training in the middle; no failure."""


@dataclass(frozen=True)
class Comparison:
    """A trial among the others of its study."""

    rule: EarlyStopping
    score: str
    """Name of the validation score; more is better."""
    folder: str
    """Of this trial."""
    others: tuple[str, ...]
    """Folders of the trials it is compared with."""

    def falls_behind(self, epoch: int) -> bool:
        """Whether this trial, whose epoch is written down, ends here. Says so in its folder first."""
        if not is_rung(epoch, self.rule):
            return False
        mine = best_score(self.folder, self.score, epoch)
        found = [best_score(folder, self.score, epoch) for folder in self.others]
        theirs = [score for score in found if score is not None]
        if mine is None or goes_on(mine, theirs, self.rule.reduction):
            return False
        rank = 1 + sum(score > mine for score in theirs)
        reason = f"after {epoch} epochs {self.score} {mine:.4f} was number {rank} of {len(theirs) + 1}"
        files.write_json(files.join(self.folder, STOPPED_FILE), {"epoch": epoch, "score": mine, "reason": reason})
        return True


def is_rung(epoch: int, rule: EarlyStopping) -> bool:
    rung = rule.first_epochs
    while rung < epoch:
        rung *= rule.reduction
    return rung == epoch


def goes_on(mine: float, theirs: list[float], reduction: int) -> bool:
    """Whether a score is in the best 1/reduction, rounded up, of all that have come so far. The first to come is."""
    if mine == float("-inf"):
        return not theirs
    num_better = sum(score > mine for score in theirs)
    return num_better < -(-(len(theirs) + 1) // reduction)


def best_score(folder: str, score: str, epoch: int) -> float | None:
    """The best score of a trial's first `epoch` epochs, what is not a number being worse than any; None where it has
    not come that far."""
    path = files.join(folder, "metrics.jsonl")
    if not files.exists(path):
        return None
    lines = [json.loads(line) for line in files.read_bytes(path).decode().split("\n")[:-1]]
    if not any(line["epoch"] >= epoch for line in lines):
        return None
    found = [line[score] for line in lines if line["epoch"] <= epoch and score in line]
    return max((value if value == value else float("-inf") for value in found), default=None)


def stop_reason(folder: str) -> str | None:
    """Why a trial ended early; None where it has not."""
    path = files.join(folder, STOPPED_FILE)
    return str(files.read_json(path)["reason"]) if files.exists(path) else None


def stopped_at(folder: str) -> tuple[int, float | None]:
    """The epoch at which a trial ended early, and its best score until then, where that was written down."""
    found = files.read_json(files.join(folder, STOPPED_FILE))
    return found["epoch"], found.get("score")
