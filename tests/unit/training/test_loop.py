"""The loop on a toy workload: what it writes, that it resumes where it stopped, and that workers do not change it."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import ToyWorkload, toy_experiment
from toy_runs import CPU, DiesAtStep, lines, losses, run, weights

from app.data.samples.order import sample_order
from app.errors import TrainingError, UsageError
from app.experiment import Experiment, OptimizerConfig
from app.training import checkpoint
from app.training.context import LocalContext
from app.training.log import TrainingLog
from app.training.loop import Training
from app.training.order import Measure, Order

FOLDERS = ("whole", "cut")


def test_a_training_writes_one_line_an_epoch_and_learns(tmp_path: Path) -> None:
    result = run(toy_experiment(epochs=20), tmp_path)
    epochs = lines(tmp_path, "metrics.jsonl")
    assert [line["epoch"] for line in epochs] == list(range(1, 21))
    assert epochs[-1]["step"] == result.num_steps == 60
    assert epochs[-1]["loss"] < 0.6 * epochs[0]["loss"]
    assert result.best["accuracy"] == max(line["accuracy"] for line in epochs)
    assert result.num_parameters == 3 * 8 + 8 + 8 + 1
    assert any((tmp_path / "tensorboard").iterdir())


def test_epoch_loss_is_the_mean_of_its_steps(tmp_path: Path) -> None:
    run(toy_experiment(), tmp_path)
    steps = losses(tmp_path)
    first = lines(tmp_path, "metrics.jsonl")[0]
    assert first["loss"] == pytest.approx(np.mean([steps[s] for s in range(1, first["step"] + 1)]))


class CountsSteps(ToyWorkload):
    num_steps = 0

    def loss_value(self, task: Any, sums: torch.Tensor) -> torch.Tensor:
        self.num_steps += 1
        return super().loss_value(task, sums)


@pytest.mark.parametrize(("died_after", "ema_decay"), [(1, None), (3, 0.5), (4, None), (5, 0.5)])
def test_resumed_in_the_middle_of_an_epoch_it_goes_on_with_the_next_sample(
    tmp_path: Path, died_after: int, ema_decay: float | None
) -> None:
    experiment = toy_experiment(checkpoint_every_s=1e-9, task={"num_rows": 10, "dropout": 0.3}, ema_decay=ema_decay)
    run(experiment, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path / "cut", DiesAtStep(died_after))
    counting = CountsSteps()
    run(experiment, tmp_path / "cut", counting)
    assert counting.num_steps == 8 - died_after, "30 samples in batches of 4, none of them a second time"
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "cut")[name], value, rtol=0, atol=0)
    averages = [checkpoint.load(str(tmp_path / folder / "checkpoint" / "last.pt"))["average"] for folder in FOLDERS]
    assert (averages[0] is None) == (ema_decay is None)
    torch.testing.assert_close(averages[1] or {}, averages[0] or {}, rtol=0, atol=0)
    whole, cut = (lines(tmp_path / folder, "metrics.jsonl") for folder in FOLDERS)
    assert [(e["epoch"], e["step"], e["loss"]) for e in cut] == [(e["epoch"], e["step"], e["loss"]) for e in whole]


def test_averaged_weights_are_evaluated_and_kept_as_best_and_do_not_change_the_training(tmp_path: Path) -> None:
    judged: list[torch.Tensor] = []

    class Noting(ToyWorkload):
        def evaluate_cases(self, task: Any, model: Any, *rest: Any, **named: Any) -> list[dict[str, float | None]]:
            judged.append(model[0].weight.detach().clone())
            return super().evaluate_cases(task, model, *rest, **named)

    run(toy_experiment(epochs=1), tmp_path / "plain")
    run(toy_experiment(epochs=1, ema_decay=0.5), tmp_path / "averaged", Noting())
    assert losses(tmp_path / "averaged") == losses(tmp_path / "plain")
    last, best = (checkpoint.load(str(tmp_path / "averaged" / "checkpoint" / name)) for name in ("last.pt", "best.pt"))
    average = {name.removeprefix("module."): value for name, value in last["average"].items() if name != "n_averaged"}
    torch.testing.assert_close(best["model"], average, rtol=0, atol=0)
    torch.testing.assert_close(judged[0], average["0.weight"], rtol=0, atol=0)
    torch.testing.assert_close(weights(tmp_path / "averaged"), weights(tmp_path / "plain"), rtol=0, atol=0)
    assert not torch.equal(average["0.weight"], last["model"]["0.weight"])


def test_paused_after_each_epoch_it_trains_as_in_one_go(tmp_path: Path) -> None:
    experiment = toy_experiment(task={"num_rows": 10})
    whole = run(experiment, tmp_path / "whole")
    for epoch in (1, 2, 2, 9):
        paused = run(experiment, tmp_path / "cut", until_epoch=epoch)
        assert len(lines(tmp_path / "cut", "metrics.jsonl")) == min(epoch, 3)
    assert paused.best == whole.best and losses(tmp_path / "cut") == losses(tmp_path / "whole")
    torch.testing.assert_close(weights(tmp_path / "cut"), weights(tmp_path / "whole"), rtol=0, atol=0)


def test_options_that_changed_in_a_pause_hold_afterwards(tmp_path: Path) -> None:
    first = toy_experiment()
    options = dataclasses.replace(first.optimizer, learning_rate=0.02, weight_decay=0.1, beta1=0.5)
    run(first, tmp_path, until_epoch=1)
    run(dataclasses.replace(first, optimizer=options), tmp_path)
    saved = checkpoint.load(str(tmp_path / "checkpoint" / "last.pt"))
    matrices, vectors = saved["optimizer"]["param_groups"]
    assert [group["weight_decay"] for group in (matrices, vectors)] == [0.1, 0.0]
    assert matrices["betas"] == (0.5, 0.999)
    assert all(state["step"] == 9 for state in saved["optimizer"]["state"].values()), "its memory is kept"
    rates = [line["learning_rate"] for line in lines(tmp_path, "steps.jsonl")]
    plain = [line["learning_rate"] for line in steps_of(first, tmp_path / "plain")]
    assert rates[:3] == plain[:3] and rates[3:] == pytest.approx([0.02 / 0.05 * rate for rate in plain[3:]])


def steps_of(experiment: Experiment, folder: Path) -> list[dict[str, Any]]:
    run(experiment, folder)
    return lines(folder, "steps.jsonl")


def test_a_better_best_network_is_kept_beside_the_checkpoint_of_another(tmp_path: Path) -> None:
    experiment = toy_experiment()
    run(experiment, tmp_path, until_epoch=1)
    best = tmp_path / "checkpoint" / "best.pt"
    kept = checkpoint.load(str(best))
    kept["metrics"] = {"epoch": 1, "step": 3, "accuracy": 1.5}  # better than any that follows
    torch.save(kept, best)
    before = best.read_bytes()
    assert run(experiment, tmp_path).best == kept["metrics"] and best.read_bytes() == before
    assert checkpoint.load(str(tmp_path / "checkpoint" / "last.pt"))["progress"]["best_score"] == 1.5


def test_without_a_checkpoint_since_the_lost_steps_are_run_again_and_logged_once(tmp_path: Path) -> None:
    experiment = toy_experiment(checkpoint_every_s=1e9)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path, DiesAtStep(5))
    counting = CountsSteps()
    run(experiment, tmp_path, counting)
    assert counting.num_steps == 6, "from the end of the first epoch, its third step"
    assert len(losses(tmp_path)) == 9


def test_a_loss_that_is_not_a_number_ends_the_training_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    row = int(sample_order(7, 1, 12, 4)[2])  # of the second step
    experiment = toy_experiment(task={"poison_step_row": row}, checkpoint_every_s=1e-9)
    with pytest.raises(TrainingError, match=r"loss is nan at step 2 of 9"):
        run(experiment, tmp_path)
    assert checkpoint.load(str(tmp_path / "checkpoint" / "last.pt"))["progress"]["step"] == 1
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


class LosesGradient(ToyWorkload):
    """At one step the loss is a number and its gradient is none: the square root's slope at zero, times zero."""

    def __init__(self, step: int) -> None:
        self._left = step

    def loss_value(self, task: Any, sums: torch.Tensor) -> torch.Tensor:
        self._left -= 1
        loss = super().loss_value(task, sums)
        return loss + (0 * sums[0]).sqrt() if self._left == 0 else loss


@pytest.mark.parametrize("clip_norm", [12.0, None])
@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_a_gradient_that_is_not_a_number_at_an_epochs_last_step_spoils_no_checkpoint(
    tmp_path: Path, clip_norm: float | None, ema_decay: float | None
) -> None:
    optimizer = OptimizerConfig(learning_rate=0.05, clip_norm=clip_norm)
    experiment = toy_experiment(optimizer=optimizer, ema_decay=ema_decay)
    with pytest.raises(TrainingError, match=r"gradient.s norm is nan at step 6 of 9 .*last good checkpoint is kept"):
        run(experiment, tmp_path / "cut", LosesGradient(6))
    assert checkpoint.load(str(tmp_path / "cut" / "checkpoint" / "last.pt"))["progress"]["step"] == 3
    assert [line["epoch"] for line in lines(tmp_path / "cut", "metrics.jsonl")] == [1]
    run(experiment, tmp_path / "cut")
    run(experiment, tmp_path / "whole")
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_killed_between_an_epochs_line_and_its_checkpoint_the_line_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = TrainingLog.epoch

    def written_and_killed(log: TrainingLog, line: dict[str, Any]) -> None:
        write(log, line)
        if line["epoch"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingLog, "epoch", written_and_killed)
    experiment = toy_experiment(checkpoint_every_s=1e-9)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path)
    assert [line["epoch"] for line in lines(tmp_path, "metrics.jsonl")] == [1, 2]
    assert checkpoint.load(str(tmp_path / "checkpoint" / "last.pt"))["progress"]["step"] == 6
    monkeypatch.undo()
    run(experiment, tmp_path)
    assert [line["epoch"] for line in lines(tmp_path, "metrics.jsonl")] == [1, 2, 3]
    assert len(losses(tmp_path)) == 9


def test_an_epoch_that_would_have_no_step_is_refused_beforehand(tmp_path: Path) -> None:
    run(toy_experiment(batch_size=12), tmp_path / "whole")
    assert [line["step"] for line in lines(tmp_path / "whole", "metrics.jsonl")] == [1, 2, 3]
    with pytest.raises(UsageError, match=r"batch of 24 samples on 1 worker\(s\), expected at most the 12 "):
        run(toy_experiment(batch_size=24), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_micro_batches_change_nothing(tmp_path: Path) -> None:
    run(toy_experiment(), tmp_path / "whole")
    run(toy_experiment(max_micro_batch_size=1), tmp_path / "parts")
    whole, parts = losses(tmp_path / "whole"), losses(tmp_path / "parts")
    assert list(parts.values()) == pytest.approx(list(whole.values()), abs=1e-6)


@pytest.mark.parametrize(
    ("measure", "num_rows", "num_done"),
    [(Measure(8, 60.0), 48, 8), (Measure(8, 0.0), 48, 6), (Measure(99, 60.0), 48, 24), (Measure(8, 60.0), 4, 8)],
)
def test_a_training_that_measures_ends_early_is_evaluated_and_counts_all_steps(
    tmp_path: Path, measure: Measure, num_rows: int, num_done: int
) -> None:
    """Of four samples a step; at least six steps are made, whatever the time, over several epochs if need be."""
    epochs = 24 // (num_rows // 4) if num_rows == 48 else 24
    experiment = toy_experiment(epochs=epochs, evaluate_every_epochs=epochs, task={"num_rows": num_rows})
    order = Order(experiment, "", str(tmp_path), time.time(), measure=measure)
    training = Training(order, ToyWorkload(), LocalContext(CPU))
    line = training.advance()
    result = training.finish()
    training.close()
    assert training.is_done
    assert len(losses(tmp_path)) == line["step"] == num_done
    assert result.num_steps == 24
    assert "accuracy" in line
    assert result.timings.num_timed_steps == num_done - 3
