"""A study's choices of numerics: for each network and kind of device a file of its own in the study's folder, made once
by whichever trial comes first and taken by all others. Free of torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from app.configuration import from_dict, to_dict
from app.data import files
from app.errors import DataError, UsageError
from app.run_folder.study import NUMERICS
from app.strict_json import DamagedFileError, mapping, parse_as, shown

FOLDER = NUMERICS
Precision = Literal["fp32", "bf16"]
PRECISIONS = get_args(Precision)


@dataclass(frozen=True)
class Choice:
    """What was chosen for whom, and by which times."""

    workload: str
    device: str
    """Its kind: the name of a GPU, or `cpu`."""
    network: str
    """What a person knows it by."""
    precision: Precision
    channels_last: bool
    measured_s: Mapping[str, float]
    """Seconds of a step, by option."""

    @property
    def record(self) -> dict[str, Any]:
        """As the records of trainings have it."""
        return {key: to_dict(getattr(self, key)) for key in ("precision", "channels_last", "measured_s")}

    @property
    def label(self) -> str:
        return label(self.precision, self.channels_last)


def check_numerics(values: Any) -> None:
    """Raises UsageError unless these name a precision and a memory layout."""
    found = mapping(values)
    if found.get("precision") not in PRECISIONS:
        raise UsageError(f"precision: got {shown(found.get('precision'))}, expected one of {', '.join(PRECISIONS)}")
    if not isinstance(found.get("channels_last"), bool):
        raise UsageError(f"channels_last: got {shown(found.get('channels_last'))}, expected true or false")


def label(precision: str, channels_last: bool) -> str:
    return f"{precision}{'+channels_last' if channels_last else ''}"


def read(folder: str, key: str) -> Choice | None:
    """The choice of the study in `folder`; None where it has none for this key.

    Raises:
        DataError: its file cannot be read, or is damaged.
    """
    path = _path(folder, key)
    return _parsed(path) if files.exists(path) else None


def keep(folder: str, key: str, choice: Choice) -> Choice:
    """The study's choice from now on: this one, unless another trial was first.

    Raises:
        DataError: it cannot be written, or what is there is damaged.
    """
    path = _path(folder, key)
    return choice if files.write_new(path, f"{json.dumps(to_dict(choice), indent=1)}\n".encode()) else _parsed(path)


def device_kinds(folder: str) -> list[str]:
    """The kinds of device for which the study in `folder` has chosen; what is fixed by hand is not chosen.

    Raises:
        DataError: a choice cannot be read, or is damaged.
    """
    return sorted({_parsed(path).device for path in _paths(folder)})


def take_over(source: str, folder: str) -> int:
    """Make the choices of the run in `source` those of the run in `folder`; how many there are.

    Raises:
        UsageError: `source` has none, or the run in `folder` has chosen otherwise before.
        DataError: a choice cannot be read, or is damaged.
    """
    found = {files.name_of(path).removesuffix(".json"): _parsed(path) for path in _paths(source)}
    if not found:
        raise UsageError(
            f"{source} has chosen no numerics ({FOLDER}/*.json): expected the folder of another run of this study "
            "whose trials have begun, and whose precision or memory layout is `auto`"
        )
    for key, choice in found.items():
        kept = keep(folder, key, choice)
        if kept.label != choice.label:
            raise UsageError(
                f"{folder} has chosen {kept.label} before for {choice.network} on {choice.device}, where {source} has "
                f"{choice.label}: continue without --numerics, or start afresh under another --name"
            )
    return len(found)


def _path(folder: str, key: str) -> str:
    return files.join(folder, FOLDER, f"{key}.json")


def _paths(folder: str) -> list[str]:
    within = files.join(folder, FOLDER)
    return [path for path in files.list_files(within) if path.endswith(".json")] if files.exists(within) else []


def _parsed(path: str) -> Choice:
    try:
        return parse_as(partial(from_dict, Choice), files.read_bytes(path), path)
    except DamagedFileError as error:
        raise DataError(f"{error}; restore it, or delete it, and the next trial chooses again") from error
