"""Where a network's initial weights lie, told without torch: a job looks before it starts any worker."""

from app.data import files
from app.errors import UsageError
from app.run_folder.run import BEST, CHECKPOINTS

RUN_WEIGHTS = f"{CHECKPOINTS}/{BEST}"
"""In the folder of a run."""


def find_weights(place: str, others: str = "") -> str:
    """The file of weights that `place` names: a file, or the folder of a run.

    Args:
        others: what else the task's option `weights` may be, for the message.

    Raises:
        UsageError: it is neither.
    """
    path = files.join(place, RUN_WEIGHTS) if files.is_folder(place) else place
    if not files.exists(path):
        raise UsageError(
            f"task.weights: {place} is neither a file nor the folder of a finished run (it has no {RUN_WEIGHTS}); "
            f"expected one of these{others}"
        )
    return path
