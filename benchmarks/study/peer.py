"""Trainings one after the other in one plain Python process, without Ray: python -m … THREADS STORE FOLDER CONFIG…

Each CONFIG is the JSON of an experiment; the project's loop trains it in FOLDER/NAME.
"""

import json
import sys
import time
from pathlib import Path


def main(num_threads: int, store: str, folder: Path, configs: list[Path]) -> None:
    from app.experiment import Experiment
    from app.training.context import LocalContext
    from app.training.loop import train
    from app.training.order import Order
    from app.training.process import tune_process
    from app.workloads.registry import find_workload

    tune_process(num_threads)
    for config in configs:
        experiment = Experiment.from_dict(json.loads(config.read_text()))
        order = Order(experiment, store, str(folder / experiment.name), time.time())
        result = train(order, find_workload(experiment.workload), LocalContext())
        (folder / experiment.name / "plain.json").write_text(json.dumps(vars(result.timings)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), [Path(path) for path in sys.argv[4:]])
