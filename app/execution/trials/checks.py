"""What is told of a training before Ray, a worker or torch is started: all that its inputs alone decide."""

import dataclasses

from app.configuration import to_dict
from app.data import files
from app.experiment import Experiment
from app.workloads.registry import find_check


def check_order(experiment: Experiment, store: str, folder: str, num_workers: int) -> Experiment:
    """The experiment with all that its task takes from the store written out.

    Imports no torch for the workloads there are; a study asks this of thousands of trials, so what belongs to a store
    is read once.

    Raises:
        UsageError: an option of the task is unknown or wrong, the workers do not divide the batch, or the store has
            other classes or partitions.
        DataError: the store is missing, damaged, or has nothing to train or validate on; the folder cannot be written.
    """
    experiment.global_batch_size(num_workers)
    task = find_check(experiment.workload)(experiment.task, store)
    files.check_folder(folder)
    return dataclasses.replace(experiment, task=to_dict(task))
