"""What the engine relies on in any workload, as checks that a workload's own test calls."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from app.data.samples.splits import SPLITS
from app.workloads.base import Batch, Workload

SEEDS = np.array([11, 12, 13, 14], np.uint64)


def check_contracts(workload: Workload, options: dict[str, Any], store: str) -> None:
    """Raises AssertionError where a promise is not kept; needs a store of four training rows or more."""
    task = workload.resolve_task(workload.parse_task(options), store)
    check_samples(workload, task, store)
    torch.manual_seed(0)
    network = workload.build_model(task).eval()
    check_loss(workload, task, store, network)
    check_evaluation(workload, task, store, network)


def check_samples(workload: Workload, task: Any, store: str) -> None:
    """A row is read the same whoever reads it and with whichever others: so k workers read what one reads."""
    samples = pickle.loads(pickle.dumps(workload.open_samples(task, store)))
    rows = np.array([2, 0, 3, 1])
    together = samples.load(rows, SEEDS)
    for place in range(len(rows)):
        alone = samples.load(rows[place : place + 1], SEEDS[place : place + 1])
        for key, values in together.items():
            np.testing.assert_array_equal(values[place], alone[key][0], err_msg=f"{key} of row {rows[place]}")
    example = workload.example_batch(task, len(rows))
    assert {k: (v.dtype, v.shape) for k, v in example.items()} == {k: (v.dtype, v.shape) for k, v in together.items()}
    inputs = workload.to_inputs(task, as_tensors(together), SEEDS)
    half = workload.to_inputs(task, as_tensors({key: values[2:] for key, values in together.items()}), SEEDS[2:])
    for key, values in half.items():
        torch.testing.assert_close(inputs[key][2:], values, msg=f"{key}: augmented by its own seed alone")
    if samples.lengths is not None:
        assert len(samples.lengths) == len(samples)


def check_loss(workload: Workload, task: Any, store: str, network: torch.nn.Module) -> None:
    """Sums of parts of a batch add up to those of the whole: so the loss of k workers is that of one."""
    batch = as_tensors(workload.open_samples(task, store).load(np.arange(4), SEEDS))
    inputs = workload.to_inputs(task, batch, None)
    with torch.no_grad():
        whole = workload.loss_sums(task, workload.forward(task, network, inputs), inputs)
        parts = []
        for places in (slice(0, 1), slice(1, 4)):
            part = {key: values[places] for key, values in inputs.items()}
            parts.append(workload.loss_sums(task, workload.forward(task, network, part), part))
    torch.testing.assert_close(parts[0] + parts[1], whole, rtol=1e-4, atol=1e-4)
    value = workload.loss_value(task, whole)
    assert value.ndim == 0 and bool(torch.isfinite(value))
    if workload.loss_is_mean:
        assert whole[1] == 4 and value == whole[0] / whole[1]


def check_evaluation(workload: Workload, task: Any, store: str, network: torch.nn.Module) -> None:
    """No case is in two splits, and a case is scored the same with others and alone."""
    ids = {split: workload.validation_ids(task, store, split) for split in SPLITS}
    assert len({case for found in ids.values() for case in found}) == sum(map(len, ids.values()))
    some, cpu = ids["train"][: workload.cases_at_once][:2], torch.device("cpu")
    with torch.inference_mode():
        together = workload.evaluate_cases(task, network, store, some, cpu, thorough=True)
        alone = [workload.evaluate_cases(task, network, store, [case], cpu, thorough=True)[0] for case in some]
    for one, other in zip(together, alone, strict=True):
        assert one == {
            key: value if value is None else pytest.approx(value, rel=1e-5, abs=1e-6) for key, value in other.items()
        }
    assert workload.score in workload.summarize(task, together)


def as_tensors(host: dict[str, Any]) -> Batch:
    return {key: torch.from_numpy(values) for key, values in host.items()}
