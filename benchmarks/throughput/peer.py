"""The project's training loop under torchrun, without Ray: python -m torch.distributed.run … CONFIG STORE FOLDER.

CONFIG is the config.json of a trial. Rank 0 writes FOLDER/torchrun.json: samples a second and where the time went.
"""

import json
import sys
import time
from pathlib import Path


def main(config: Path, store: str, folder: Path) -> None:
    import torch.distributed

    from app.experiment import Experiment
    from app.training.context import LocalContext
    from app.training.loop import train
    from app.training.order import Order
    from app.training.process import threads_per_worker, tune_process
    from app.workloads.registry import find_workload

    start_s = time.time()
    experiment = Experiment.from_dict(json.loads(config.read_text()))
    context = LocalContext()
    tune_process(threads_per_worker(context.world_size))
    order = Order(experiment, store, str(folder), start_s)
    result = train(order, find_workload(experiment.workload), context)
    if context.rank == 0:
        timings = result.timings
        summary = {
            "samples_per_s": timings.samples_per_s(experiment.global_batch_size(context.world_size)),
            "waiting_share": timings.waiting_share(),
            "timings": vars(timings),
            "numerics": result.numerics,
            "metrics": result.best,
        }
        (folder / "torchrun.json").write_text(json.dumps(summary))
    torch.distributed.destroy_process_group()  # else a process may abort at its exit


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
