"""The same experiment on 1, 2 and 4 workers at the same global batch gives the same loss curve: every workload, on
small networks, without Ray. The workers are threads that take turns; test_loop.py has processes and their gloo.

Two things are each worker's own, and therefore exceptions: the statistics of batch normalization (`norm: batch`), and
what dropout draws. Both are off here, and the first is shown to make the difference that it is said to make.
"""

import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from app.experiment import Experiment, OptimizerConfig, ScheduleConfig
from app.training.context import LocalContext
from app.training.loop import train
from app.training.order import Order
from app.workloads.registry import find_workload

pytestmark = pytest.mark.timeout(300)

CPU = torch.device("cpu")
COUNTS = (2, 4)
"""Numbers of workers, beside one."""
MAX_DISTANCE = 1e-5
"""Of two losses at one step; measured: 3e-7 at most, and 1.5 with batch normalization's own statistics."""
EXCEPTION = "image-batch"
WORDS = ("dear sir yours sincerely", "invoice total amount due")


@dataclass(frozen=True)
class Case:
    """An experiment and the store it reads."""

    experiment: Experiment
    store: str


def experiment(name: str, workload: str, task: dict[str, Any]) -> Experiment:
    return Experiment(
        name=name,
        workload=workload,
        task=task,
        seed=3,
        epochs=2,
        batch_size=8,
        evaluate_every_epochs=2,
        precision="fp32",
        channels_last="no",
        optimizer=OptimizerConfig(name="sgd", learning_rate=0.05),
        schedule=ScheduleConfig(name="constant", warmup_share=0.0),
    )


def brats_store(folder: Path) -> str:
    """Eight volumes with a bright box as tumour."""
    from app.workloads.brats.store.plan import plan_store
    from app.workloads.volumes.store.build_store import finish_store
    from app.workloads.volumes.store.prepare import prepare_or_keep

    source = folder / "raw" / "Task01_BrainTumour"
    names = [f"BRATS_{number:03d}" for number in range(1, 9)]
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        image = np.zeros((24, 20, 18, 4), np.int16)
        image[2:22, 2:18, 2:16] = rng.integers(100, 500, (20, 16, 14, 4))
        label = np.zeros(image.shape[:3], np.uint8)
        label[6:14, 5:13, 4:12] = rng.integers(1, 4, (8, 8, 8))
        image[label > 0] += 400
        for kind, volume in (("imagesTr", image), ("labelsTr", label)):
            path = source / kind / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(volume, np.eye(4)), path)
    pairs = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    modality = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    labels = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
    described = {"modality": modality, "labels": labels, "training": pairs, "test": []}
    (source / "dataset.json").write_text(json.dumps(described))
    root = str(folder / "store")
    _, tasks = plan_store(str(source), root)
    finish_store(root, [prepare_or_keep(task) for task in tasks], 0.0)
    return root


def document_store(folder: Path) -> str:
    """40 pages of two classes with their texts."""
    from app.workloads.documents.ocr.texts import PageText, write_part
    from app.workloads.documents.store.build_store import finish_store, plan_store
    from app.workloads.documents.store.prepare import prepare_or_keep

    for number in range(40):
        rng = np.random.default_rng(number)
        page = rng.integers(180, 255, (60, 48), dtype=np.uint8)
        top = int(rng.integers(4, 20)) + 28 * (number % 2)
        page[top : top + 8, 6:42] = 20
        path = folder / "raw" / ("top", "bottom")[number % 2] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(page).save(path)
    root = str(folder / "store")
    plan = plan_store(str(folder / "raw"), root, image_size=32)
    opened = finish_store(root, plan, [prepare_or_keep(task) for task in plan.tasks], 0.0)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS[label].split(), int(rng.integers(3, 20)))) for label in opened.labels]
    write_part(root, [PageText(page, text, 90.0, "ok") for page, text in zip(opened.ids, texts, strict=True)])
    return root


def small_bert(folder: Path) -> str:
    """Without dropout within the model."""
    from app.workloads.documents.text.tiny_bert import SmallBert, make_small_bert

    sizes = SmallBert(vocabulary_size=100, hidden_size=32, num_layers=2, num_heads=2, max_length=32)
    make_small_bert(WORDS, str(folder), sizes)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def all_cases(folder: Path) -> list[Case]:
    volumes, pages = brats_store(folder / "brats"), document_store(folder / "documents")
    brats = {"network": "unet3d", "filters": [4, 8], "patch_size": [16, 16, 16], "samples_per_case": 4}
    image = {"model": "test_efficientnet", "weights": "random", "image_size": 32, "dropout": 0.0}
    text = {"model": small_bert(folder / "bert"), "num_layers": 2, "max_length": 32, "dropout": 0.0}
    made = [
        Case(experiment("brats", "brats", brats), volumes),
        Case(experiment("image-frozen", "document_image", image | {"norm": "frozen"}), pages),
        Case(experiment(EXCEPTION, "document_image", image | {"norm": "batch"}), pages),
        Case(experiment("text", "document_text", text), pages),
    ]
    return [Case(resolved(case), case.store) for case in made]


def resolved(case: Case) -> Experiment:
    from app.configuration import to_dict

    workload = find_workload(case.experiment.workload)
    task = workload.resolve_task(workload.parse_task(case.experiment.task), case.store)
    return replace(case.experiment, task=to_dict(task))


class Team:
    """Workers as threads of this process that take turns: one runs until it has something to exchange, so that what it
    draws from torch's one generator is its own."""

    def __init__(self, num_workers: int) -> None:
        self._values: list[Any] = [None] * num_workers
        self._turn, self._barrier = threading.Lock(), threading.Barrier(num_workers)

    def exchange(self, rank: int, value: Any) -> list[Any]:
        """Every worker's value."""
        self._values[rank] = value
        self._turn.release()
        try:
            self._barrier.wait()
            found = list(self._values)
            self._barrier.wait()
        finally:
            self._turn.acquire()
        return found

    def work(self, case: Case, folder: str, rank: int) -> None:
        with self._turn:
            try:
                job = Order(case.experiment, case.store, folder, time.time())
                train(job, find_workload(case.experiment.workload), TeamContext(self, rank, len(self._values)))
            except BaseException:
                self._barrier.abort()
                raise


class TeamContext(LocalContext):
    """Sums are exact and gradients averaged, as a process group does it."""

    def __init__(self, team: Team, rank: int, world_size: int) -> None:
        super().__init__(CPU)
        self._team, self.rank, self.world_size = team, rank, world_size

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        for index, parameter in enumerate(model.parameters()):
            parameter.register_post_accumulate_grad_hook(partial(self._average, index))
        return model

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return torch.stack(self._team.exchange(self.rank, values.detach().clone())).sum(0)

    def gather(self, value: Any) -> list[Any]:
        return self._team.exchange(self.rank, value)

    def broadcast(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            tensor.copy_(self._team.exchange(self.rank, tensor.clone())[0])

    def _average(self, index: int, parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        found = self._team.exchange(self.rank, (index, parameter.grad.clone()))
        assert {other for other, _ in found} == {index}, "the workers are not at the same parameter"
        parameter.grad.copy_(torch.stack([gradient for _, gradient in found]).mean(0))


def run_case(case: Case, num_workers: int, folder: Path) -> list[float]:
    """The loss of each step."""
    team = Team(num_workers)
    with ThreadPoolExecutor(num_workers) as pool:
        running = [pool.submit(team.work, case, str(folder), rank) for rank in range(num_workers)]
    errors = [error for future in running if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda e: isinstance(e, threading.BrokenBarrierError)):
        raise error
    return curve(folder)


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, list[float]]]:
    """By number of workers and experiment: the loss of each step."""
    folder = tmp_path_factory.mktemp("same-result")
    cases = all_cases(folder)
    found: dict[int, dict[str, list[float]]] = {count: {} for count in (1, *COUNTS)}
    for case in cases:
        name = case.experiment.name
        for count in (1, 2) if name == EXCEPTION else (1, *COUNTS):
            found[count][name] = run_case(case, count, folder / f"{name}-{count}")
    return found


def curve(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "steps.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("num_workers", COUNTS)
@pytest.mark.parametrize("name", ["brats", "image-frozen", "text"])
def test_workers_do_not_change_the_loss_curve(
    losses: dict[int, dict[str, list[float]]], name: str, num_workers: int
) -> None:
    one, several = losses[1][name], losses[num_workers][name]
    assert len(one) >= 5 and max(one) - min(one) > 1000 * MAX_DISTANCE, "it trains: the curve is no flat line"
    assert several == pytest.approx(one, abs=MAX_DISTANCE)


def test_batch_normalisation_is_the_exception_that_it_is_said_to_be(
    losses: dict[int, dict[str, list[float]]],
) -> None:
    one, two = losses[1][EXCEPTION], losses[2][EXCEPTION]
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) > 1000 * MAX_DISTANCE
