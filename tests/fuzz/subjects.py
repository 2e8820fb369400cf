"""One of each kind of file that the project reads, and what reads it, as the jobs do but in this process."""

import subjects_models
import subjects_runs
import subjects_sources
import subjects_stores
from subject import Subject

SUBJECTS: dict[str, Subject] = {
    **subjects_runs.SUBJECTS,
    **subjects_models.SUBJECTS,
    **subjects_stores.SUBJECTS,
    **subjects_sources.SUBJECTS,
}
