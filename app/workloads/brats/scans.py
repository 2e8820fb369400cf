"""Scans with brain tumours read, and labels written: what volumes do, with the codes of a challenge by its name."""

from app.workloads.brats.labels import BRAIN, codes_of
from app.workloads.volumes.labels import Codes
from app.workloads.volumes.scans import preprocessing, writing
from app.workloads.volumes.source.case_files import CaseFiles


def condition(case: CaseFiles, codes: str | Codes) -> preprocessing.Conditioned:
    """As app.workloads.volumes.scans.preprocessing.condition."""
    return preprocessing.condition(case, codes_of(codes), BRAIN)


def write_label(path: str, label: writing.LabelArray, case: preprocessing.Conditioned, codes: str | Codes) -> None:
    """As app.workloads.volumes.scans.writing.write_label."""
    writing.write_label(path, label, case, codes_of(codes), BRAIN)
