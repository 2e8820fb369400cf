from typing import Any

import pytest

from app.errors import DataError, UsageError
from app.workloads.brats.labels import Layout
from app.workloads.brats.source.label_choice import LabelOptions, challenge_of_names, choose_codes
from app.workloads.brats.source.layouts import Source
from app.workloads.volumes.labels import Codes, describe
from app.workloads.volumes.source.case_files import CaseFiles


def source(layout: Layout, *ids: str, labels: dict[str, Any] | None = None) -> Source:
    return Source("/data", layout, tuple(CaseFiles(i, ("image",), "label") for i in ids or ("A",)), labels)


def chosen(found: Source, challenge: str | None = None, by_hand: Codes | None = None) -> str:
    return describe(choose_codes(found, LabelOptions(challenge, by_hand or {})).codes)


NAMED = {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing tumor"}
MSD = "0=background 1=edema 2=core 3=enhancing"
BRATS21 = "0=background 1=core 2=edema 4=enhancing"
BRATS23 = "0=background 1=core 2=edema 3=enhancing"
BRATS24 = "0=background 1=core 2=edema 3=enhancing 4=cavity"
PED24 = "0=background 1=enhancing 2=core 3=core 4=edema"


def test_names_in_dataset_json_count_whatever_the_layout() -> None:
    assert chosen(source("msd", labels=NAMED)) == BRATS23
    assert chosen(source("nnunet", labels=NAMED)) == BRATS23
    assert str(choose_codes(source("msd", labels=NAMED), LabelOptions())) == f"{BRATS23} (dataset.json)"


def test_what_is_said_by_hand_counts_first() -> None:
    assert chosen(source("msd", labels=NAMED), "msd") == MSD
    assert chosen(source("msd", labels=NAMED), None, {1: "edema", 2: "core"}) == MSD
    assert chosen(source("msd"), None, {1: "edema", 3: "enhancing"}) == "0=background 1=edema 3=enhancing"
    assert chosen(source("brats2021"), None, {3: "core"}) == "0=background 1=core 2=edema 3=core 4=enhancing"
    choice = choose_codes(source("brats2021"), LabelOptions(None, {4: "cavity", 3: "enhancing"}))
    assert choice.by == "BraTS 2017 to 2021, by the files' names and --labels"


@pytest.mark.parametrize(
    ("ids", "codes"),
    [
        (["BraTS-GLI-00000-000", "BraTS-GLI-01666-001"], BRATS23),
        (["BraTS-MEN-00004-000"], BRATS23),
        (["BraTS-MET-00002-000"], BRATS23),
        (["BraTS-SSA-00002-000"], BRATS23),
        (["BraTS-GLI-02060-100"], BRATS24),
        (["BraTS-GLI-00000-000", "BraTS-GLI-02060-100", "BraTS-SSA-00002-000"], BRATS24),
        (["brats-gli-02060-101"], BRATS24),
    ],
)
def test_challenges_since_2023_are_known_by_their_cases_names(ids: list[str], codes: str) -> None:
    assert chosen(source("brats2023", *ids)) == codes


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (source("msd"), "dataset.json names no labels"),
        (source("nnunet"), "nnU-Net's dataset.json names no labels"),
        (source("nnunet", labels={}), "names no labels"),
        (source("brats2023", "BraTS-PED-00001-000"), "other codes in BraTS 2023 .* than in 2024"),
        (source("brats2023", "BraTS-GLI-00000-000", "BraTS-PED-00001-000"), "do not tell which challenge"),
        (source("brats2023", "patient7"), "names such as patient7 do not tell"),
        (source("brats2023", "BraTS-XYZ-00001-000"), "names such as BraTS-XYZ-00001-000 do not tell"),
    ],
)
def test_what_cannot_be_told_apart_asks(found: Source, message: str) -> None:
    with pytest.raises(DataError, match=f"{message}.*--challenge .*brats2024-ped.*--labels CODE=MEANING"):
        choose_codes(found, LabelOptions())
    assert chosen(found, "brats2024-ped") == PED24
    assert chosen(found, None, {1: "core", 2: "edema", 3: "enhancing"}) == BRATS23


def test_a_mapping_without_a_tumour_or_a_background_is_refused() -> None:
    with pytest.raises(DataError, match="names no tumour"):
        choose_codes(source("nnunet", labels={"background": 0}), LabelOptions())
    with pytest.raises(DataError, match="label 0 means 'edema'"):
        choose_codes(source("msd", labels={"0": "edema", "1": "necrosis"}), LabelOptions())
    with pytest.raises(DataError, match="names no labels"):
        choose_codes(source("msd"), LabelOptions(None, {4: "cavity"}))
    with pytest.raises(UsageError, match="got 'brats1999', expected one of msd"):
        choose_codes(source("msd"), LabelOptions("brats1999"))


def test_no_names_tell_no_challenge() -> None:
    assert challenge_of_names([]) is None
