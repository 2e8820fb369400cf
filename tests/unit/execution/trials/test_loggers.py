"""What the loggers are told is found again by each one's own reader, once, also after a restart."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from logger_readers import Found, read_mlflow, read_wandb

from app.errors import UsageError
from app.execution.trials import logger_tools, loggers
from app.execution.trials.loggers import Loggers, flattened, open_loggers

pytestmark = pytest.mark.usefixtures("without_a_network")

OPTIONS = {"workload": "toy", "optimizer": {"learning_rate": 0.1}, "task": {}}

EXPECTED: Found = {
    "a": {
        "epoch": {10: 1.0, 20: 2.0, 30: 3.0},
        "loss": {10: 1.0, 20: 0.5, 30: 0.25},
        "dice WT": {10: 0.0, 20: 0.25, 30: 0.5},
    },
    "b": {"epoch": {10: 1.0, 20: 2.0}, "loss": {10: 2.0, 20: 1.0}, "dice WT": {10: 0.125, 20: 0.375}},
}


def line_of(trial: str, step: int) -> dict[str, Any]:
    values = {metric: values[step] for metric, values in EXPECTED[trial].items()}
    return {**values, "epoch": step // 10, "step": step, "samples_per_s": None}


def folder_of(tmp_path: Path, trial: str) -> str:
    return str(tmp_path / "runs" / "s" / "trials" / trial)


def open_at(tmp_path: Path, *flags: str) -> Loggers:
    return open_loggers(flags, "s", str(tmp_path / "runs" / "s"))


def log_two_trials(told: Loggers, tmp_path: Path) -> None:
    told.begin("a", OPTIONS, folder_of(tmp_path, "a"))
    told.line("a", line_of("a", 10))
    told.begin("b", {**OPTIONS, "optimizer": {"learning_rate": 0.2}}, folder_of(tmp_path, "b"))
    told.line("b", line_of("b", 10))
    told.line("a", line_of("a", 20))
    told.line("b", line_of("b", 20))
    told.end("b", "failed")
    told.line("a", line_of("a", 30))
    told.end("a", "stopped")
    told.close()


@pytest.mark.parametrize("store", ["sqlite:///{}/mlflow.db", "{}/mlruns"])
def test_mlflow_has_every_metric_of_two_trials_at_a_time(store: str, tmp_path: Path) -> None:
    uri = store.format(tmp_path)
    log_two_trials(open_at(tmp_path, f"mlflow:{uri}"), tmp_path)
    found, status, options = read_mlflow(uri)
    assert found == EXPECTED
    assert status == {"a": "FINISHED stopped", "b": "FAILED failed"}
    assert options["a"] == {"workload": "toy", "optimizer.learning_rate": "0.1", "task": "{}"}
    assert options["b"]["optimizer.learning_rate"] == "0.2"


def test_wandb_has_every_metric_of_two_trials_at_a_time(tmp_path: Path) -> None:
    log_two_trials(open_at(tmp_path, "wandb"), tmp_path)
    found, ids, options, ends = read_wandb(tmp_path / "runs" / "s")
    assert found == EXPECTED
    assert [len(of_trial) for of_trial in ids.values()] == [1, 1]
    assert ids["a"] != ids["b"]
    assert (options["a"]["optimizer.learning_rate"], options["b"]["optimizer.learning_rate"]) == (0.1, 0.2)
    assert ends == {"a": [0], "b": [1]}


def test_tensorboard_has_the_options_beside_the_curves(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

    from app.training.log import TrainingLog

    told = open_at(tmp_path, "tensorboard")
    rank_0 = {trial: TrainingLog(folder_of(tmp_path, trial), 0, 0) for trial in "ab"}
    for trial, log in rank_0.items():
        told.begin(trial, {**OPTIONS, "epochs": 3}, folder_of(tmp_path, trial))
        log.epoch(line_of(trial, 10))
    told.close()
    for trial, log in rank_0.items():
        events = EventAccumulator(folder_of(tmp_path, trial) + "/tensorboard").Reload()
        content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        session = parse_session_start_info_plugin_data(content)
        assert session.group_name == trial
        assert session.hparams["optimizer.learning_rate"].number_value == 0.1
        assert session.hparams["epochs"].number_value == 3.0
        assert [(s.step, s.value) for s in events.Scalars("epoch/loss")] == [(10, EXPECTED[trial]["loss"][10])]
        # Read on: a file that sorts behind the curves' own would end the following of it.
        log.epoch(line_of(trial, 20))
        log.close()
        assert [s.step for s in events.Reload().Scalars("epoch/loss")] == [10, 20]


def read_back(kind: str, tmp_path: Path) -> Found:
    if kind == "mlflow":
        return read_mlflow(f"{tmp_path}/mlruns")[0]
    found, ids, *_ = read_wandb(tmp_path / "runs" / "s")
    assert all(len(of_trial) == 1 for of_trial in ids.values())
    return found


FLAGS: dict[str, Callable[[Path], str]] = {
    "mlflow": lambda tmp_path: f"mlflow:{tmp_path}/mlruns",
    "wandb": lambda _: "wandb",
}


@pytest.mark.parametrize("kind", FLAGS)
def test_a_restarted_command_continues_the_runs_and_sends_no_step_twice(kind: str, tmp_path: Path) -> None:
    for steps in ((10, 20), (20, 30)):  # the second start repeats what the checkpoint did not have
        told = open_at(tmp_path, FLAGS[kind](tmp_path))
        told.begin("a", OPTIONS, folder_of(tmp_path, "a"))
        for step in steps:
            told.line("a", line_of("a", step))
        told.close()
    assert read_back(kind, tmp_path) == {"a": EXPECTED["a"]}


@pytest.mark.parametrize("kind", FLAGS)
def test_lines_from_before_the_logger_was_asked_for_are_sent(kind: str, tmp_path: Path) -> None:
    folder = Path(folder_of(tmp_path, "a"))
    folder.mkdir(parents=True)
    lines = [json.dumps(line_of("a", step)) for step in (10, 20)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"epoch": 3, "st')
    told = open_at(tmp_path, FLAGS[kind](tmp_path))
    told.begin("a", OPTIONS, str(folder))
    told.line("a", line_of("a", 20))
    told.line("a", line_of("a", 30))
    told.end("a", "finished")
    told.close()
    assert read_back(kind, tmp_path) == {"a": EXPECTED["a"]}


def test_mlflow_begins_anew_where_the_server_does_not_know_the_run(tmp_path: Path) -> None:
    for name in ("first", "second"):
        told = open_at(tmp_path, f"mlflow:{tmp_path}/{name}")
        told.begin("b", OPTIONS, folder_of(tmp_path, "b"))
        for step in (10, 20):
            told.line("b", line_of("b", step))
        told.close()
        assert read_mlflow(f"{tmp_path}/{name}")[0] == {"b": EXPECTED["b"]}


class Recorder(logger_tools.Tool):
    """Has what it was told, and fails while `is_away`."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.is_away = False
        self.heard = threading.Semaphore(0)
        self.ends: list[str] = []

    def begin(self, trial: str, options: Any, folder: str) -> int:
        self._hear()
        return max(self.steps, default=-1)

    def line(self, trial: str, step: int, metrics: Any) -> None:
        self._hear()
        self.steps.append(step)

    def end(self, trial: str, status: str) -> None:
        self._hear()
        self.ends.append(f"{trial} {status}")

    def _hear(self) -> None:
        self.heard.release()
        if self.is_away:
            raise ConnectionError("connection\nrefused")


def test_a_server_that_is_away_for_a_while_costs_one_warning_and_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = Recorder()
    told = Loggers({"mlflow": tool})
    folder = Path(folder_of(tmp_path, "a"))
    folder.mkdir(parents=True)
    told.begin("a", OPTIONS, str(folder))
    tool.heard.acquire()
    for step in (10, 20, 30):
        tool.is_away = step < 30
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line_of("a", step)) + "\n")
        told.line("a", line_of("a", step))
        tool.heard.acquire(timeout=10)
    told.end("a", "finished")
    told.close()
    assert tool.steps == [10, 20, 30]
    assert tool.ends == ["a finished"]
    assert capsys.readouterr().out == (
        "--log mlflow: connection refused; training continues, and metrics.jsonl of each trial has every line\n"
    )


def test_a_server_that_hangs_holds_up_no_trial_and_no_other_logger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loggers, "CLOSE_TIMEOUT_S", 0.3)
    hanging = threading.Event()

    class Hanging(Recorder):
        def _hear(self) -> None:
            hanging.wait(60)

    other = Recorder()
    told = Loggers({"mlflow": Hanging(), "wandb": other})
    told.begin("a", OPTIONS, folder_of(tmp_path, "a"))
    told.line("a", line_of("a", 10))
    told.end("a", "finished")
    told.close()
    hanging.set()
    assert other.ends == ["a finished"]
    # the line, the end and the closing
    assert "--log mlflow: 3 messages were not sent within 0 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["mflow"], r"--log mflow: there is no logger 'mflow'; did you mean 'mlflow'\?"),
        (["wandb:x"], "--log wandb:x: expected wandb alone: it takes no address"),
        (["mlflow:"], "--log mlflow:: expected mlflow:URI, or mlflow alone"),
        (["tensorboard", "tensorboard"], "--log tensorboard: tensorboard is named twice; name it once"),
        (["mlflow:http://127.0.0.1:9"], r"--log mlflow: http://127.0.0.1:9 cannot be used: .*Connection refused"),
    ],
)
def test_wrong_flags_are_refused(flags: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        open_at(tmp_path, *flags)


@pytest.mark.parametrize("kind", FLAGS)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(UsageError, match=rf"its package is missing .*pip install 'twofold\[{kind}\]'"):
        open_at(tmp_path, kind)


def test_options_are_flattened_with_dots() -> None:
    assert flattened({"a": {"b": {"c": 1}, "d": None}, "e": [1, 2], "f.g": 2}) == {
        "a.b.c": 1,
        "a.d": None,
        "e": [1, 2],
        "f.g": 2,
    }
