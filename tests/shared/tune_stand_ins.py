"""What Tune's schedulers see of trials and of Tune's controller, for schedulers driven by hand."""

from typing import Any

from app.configuration import to_dict
from app.scheduling import Scheduler
from app.search_space import Range

RATE = "optimizer.learning_rate"
PBT = Scheduler(
    "pbt",
    {
        "perturbation_interval": 2,
        "hyperparam_mutations": {RATE: to_dict(Range(1e-4, 1.0, log=True))},
        "resample_probability": 0.5,
    },
)
"""A population of two epochs a round; one option changes."""


class Stub:
    """What schedulers see of a trial."""

    def __init__(self, name: str, **config: Any) -> None:
        self.trial_id, self.experiment_tag, self.status = f"id-{name}", name, "RUNNING"
        self.config: dict[str, Any] = {"name": name, **config}
        self.run_metadata = self.checkpoint_manager = self.checkpoint_config = self.temporary_state = self
        self.num_to_keep = self.saving_to = None
        self.checkpoint, self.evaluated_params = "checkpoint", dict[str, Any]()
        self.last_result: dict[str, Any] = {}
        self.local_experiment_path = self.local_dir = "."

    def is_finished(self) -> bool:
        return self.status in ("ERROR", "TERMINATED")

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag


class Controller:
    """And of Tune's controller."""

    search_alg = None

    def __init__(self) -> None:
        self.trials: list[Any] = []

    def get_trials(self) -> list[Any]:
        return self.trials

    def get_live_trials(self) -> list[Any]:
        return [trial for trial in self.trials if not trial.is_finished()]
