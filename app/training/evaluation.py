"""Validation over the workers: every case exactly once, whatever their number."""

import math
import time
from collections.abc import Mapping
from typing import Any

import torch

from app.training.context import WorkerContext
from app.workloads.base import Workload

Scores = dict[str, float | None]


def evaluate(
    workload: Workload,
    task: Any,
    model: torch.nn.Module,
    store: str,
    case_ids: list[str],
    context: WorkerContext,
    thorough: bool = False,
    within_s: float = math.inf,
) -> dict[str, Scores]:
    """Scores of each case, on every worker, in the order of `case_ids`; worker r of k takes cases r, r + k, ...

    Args:
        within_s: no more are begun after so long, though some on each worker.
    """
    began_s = time.monotonic()
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            mine: dict[str, Scores] = {}
            for ids in chunks(case_ids[context.rank :: context.world_size], workload.cases_at_once):
                scores = workload.evaluate_cases(task, model, store, ids, context.device, thorough)
                mine.update(zip(ids, scores, strict=True))
                if time.monotonic() - began_s > within_s:
                    break
    finally:
        model.train(was_training)
    everyone: Scores | dict[str, Any] = {}
    for part in context.gather(mine):
        everyone.update(part)
    return {case_id: everyone[case_id] for case_id in case_ids if case_id in everyone}  # type: ignore[misc]


def share_seen(scores: Mapping[str, Scores], case_ids: list[str], context: WorkerContext) -> float:
    """Share of this worker's cases that have scores."""
    mine = case_ids[context.rank :: context.world_size]
    return sum(case_id in scores for case_id in mine) / len(mine) if mine else 1.0


def chunks(case_ids: list[str], size: int) -> list[list[str]]:
    """Lists of `size` ids, the last perhaps shorter."""
    return [case_ids[start : start + size] for start in range(0, len(case_ids), size)]
