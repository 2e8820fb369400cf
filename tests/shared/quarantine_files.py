"""The list of bad cases as a store or a folder of predictions has it."""

import json
from pathlib import Path

from app.data.store.quarantine import Quarantined


def read_quarantine(folder: str | Path) -> list[Quarantined]:
    return [Quarantined(**json.loads(line)) for line in (Path(folder) / "quarantine.jsonl").read_text().splitlines()]
