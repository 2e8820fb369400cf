"""One training step of one size, in a process whose memory nothing else has touched."""

import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.run import make_step
from benchmarks.side import serve


def measure(
    network: dict[str, Any], size: list[int], batch_size: int, micro_batch_size: int | None, precision: str
) -> dict[str, Any]:
    """Peak bytes before the first step and over two, the seconds of the second, and the peak that is counted without
    taking a step."""
    import torch

    from app.training.process import threads_per_worker, tune_process

    tune_process(threads_per_worker(1))  # as every training does
    on_gpu = torch.cuda.is_available()
    shape = {"patch_size": tuple(size), "batch_size": batch_size}
    step = make_step(network, shape, precision, True, False, micro_batch_size)
    before = peak_bytes(on_gpu)
    step()
    began = time.perf_counter()
    step()  # ends by reading the loss, so that a GPU has finished too
    found = {"seconds": time.perf_counter() - began, "before_bytes": before, "peak_bytes": peak_bytes(on_gpu)}
    return {**found, "counted_bytes": _counted(network, tuple(size), batch_size, micro_batch_size, precision)}


def _counted(
    network: dict[str, Any], size: tuple[int, ...], batch_size: int, micro_batch_size: int | None, precision: str
) -> int:
    from app.configuration import to_dict
    from app.experiment import Experiment
    from app.training.memory import step_bytes
    from app.training.numerics import Numerics
    from app.workloads.brats.workload import BratsWorkload

    workload = BratsWorkload()
    task = workload.parse_task({**network, "patch_size": size})
    experiment = Experiment(
        name="memory",
        workload="brats",
        task=to_dict(task),
        batch_size=batch_size,
        max_micro_batch_size=micro_batch_size,
    )
    return step_bytes(experiment, workload, task, batch_size, Numerics(precision, True))


def peak_bytes(on_gpu: bool) -> int:
    """Of the GPU's memory, what tensors took at most; else the most that this process had resident.

    Not ru_maxrss, which begins at what the parent had.
    """
    if on_gpu:
        import torch

        return torch.cuda.max_memory_allocated()
    from app.training.process import high_water_bytes

    return high_water_bytes(Path("/proc/self/status").read_text())


if __name__ == "__main__":
    serve({"measure": measure})
