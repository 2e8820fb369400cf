"""The clients of MLflow, Weights & Biases and TensorBoard: one run for each trial, continued after a restart.

Their packages are extras, imported only where they are asked for; none of this imports torch."""

import io
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.console import say
from app.data import files
from app.errors import UsageError
from app.printable import redacted
from app.run_folder.contents import LoggerRun
from app.run_folder.run import MLFLOW, TENSORBOARD, WANDB

NUM_PARAMS_AT_ONCE, NUM_PARAM_CHARACTERS = 100, 6000
"""MLflow's limits of a request and of a value."""

WANDB_FLUSH_INTERVAL_S = 0.2
"""What a kill may lose of an offline run. wandb's own 15 s are the lines of many short trials; its step file would then
tell of lines that are nowhere."""

Options = Mapping[str, Any]
Metrics = Mapping[str, float]


class Tool:
    """A tool's client. After the constructor all calls come from one thread; any exception costs a warning only."""

    def begin(self, trial: str, options: Options, folder: str) -> int:
        """Begin or continue the trial's run; the last step that it has, -1 where it has none."""
        raise NotImplementedError

    def line(self, trial: str, step: int, metrics: Metrics) -> None:
        pass

    def end(self, trial: str, status: str) -> None:
        pass

    def close(self) -> None:
        """The command ends; runs without an end are continued by its next start."""


class _Mlflow(Tool):
    """An experiment of the run's name, a run of it for each trial; the server knows which steps it has."""

    def __init__(self, name: str, folder: str, address: str) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # 14 s for a server that is away; else 4 minutes
        import mlflow
        from mlflow.exceptions import MlflowException

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table of a new database
        uri = address or mlflow.get_tracking_uri()
        self._error = MlflowException
        self._runs: dict[str, str] = {}
        try:
            self._client = mlflow.MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(name)
            self._experiment = found.experiment_id if found else self._client.create_experiment(name)
        except MlflowException as error:
            what = str(error).split(". ")[0]
            raise UsageError(
                f"--log mlflow: {uri} cannot be used: {what}. Expected a server (mlflow:http://host:5000) or a "
                "file (mlflow:sqlite:///mlflow.db)"
            ) from error
        say(f"mlflow: experiment {name} at {uri}")

    def begin(self, trial: str, options: Options, folder: str) -> int:
        kept = MLFLOW.find(folder)
        run = self._create(trial, options, folder) if kept is None else kept.run
        try:
            self._client.update_run(run, status="RUNNING")
        except self._error as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            run = self._create(trial, options, folder)  # another server than before, or an emptied one
        MLFLOW.write(folder, LoggerRun(run))
        self._runs[trial] = run
        return max((metric.step for metric in self._client.get_metric_history(run, "epoch")), default=-1)

    def _create(self, trial: str, options: Options, folder: str) -> str:
        from mlflow.entities import Param

        run: str = self._client.create_run(
            self._experiment, run_name=trial, tags={"folder": redacted(folder)}
        ).info.run_id
        params = [Param(key, str(value)[:NUM_PARAM_CHARACTERS]) for key, value in options.items()]
        for first in range(0, len(params), NUM_PARAMS_AT_ONCE):
            self._client.log_batch(run, params=params[first : first + NUM_PARAMS_AT_ONCE])
        return run

    def line(self, trial: str, step: int, metrics: Metrics) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        self._client.log_batch(
            self._runs[trial], metrics=[Metric(key, value, now_ms, step) for key, value in metrics.items()]
        )

    def end(self, trial: str, status: str) -> None:
        run = self._runs.pop(trial)
        self._client.set_tag(run, "status", status)
        self._client.set_terminated(run, "FAILED" if status == "failed" else "FINISHED")


class _Wandb(Tool):
    """A group of the run's name, a run of it for each trial. Offline only a file can say which steps it has."""

    def __init__(self, name: str, folder: str, address: str) -> None:
        import wandb

        mode = wandb.setup(settings=wandb.Settings(silent=True)).settings.mode
        try:
            is_ready = mode in ("offline", "disabled", "dryrun") or wandb.login(prompt=False)
            reason = "" if is_ready else "there is no account to send to"
        except wandb.Error as error:
            reason = str(error)
        if reason:
            raise UsageError(
                f"--log wandb: {reason}; log in (wandb login), set WANDB_API_KEY, or write files: WANDB_MODE=offline"
            )
        self._wandb, self._group, self._folder = wandb, name, None if files.is_url(folder) else folder
        self._runs: dict[str, Any] = {}
        self._folders: dict[str, str] = {}

    def begin(self, trial: str, options: Options, folder: str) -> int:
        self._folders[trial] = folder
        kept = WANDB.find(folder) or LoggerRun(secrets.token_hex(4))
        WANDB.write(folder, kept)
        if trial in self._runs:
            self._runs.pop(trial).finish()
        if self._folder is not None:
            os.makedirs(self._folder, exist_ok=True)
        run = self._runs[trial] = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "twofold"),
            group=self._group,
            name=trial,
            id=kept.run,
            resume="allow",
            reinit="create_new",
            dir=os.environ.get("WANDB_DIR", self._folder),
            config=dict(options),
            allow_val_change=True,
            settings=self._wandb.Settings(
                silent=True, console="off", x_transaction_log_flush_interval=WANDB_FLUSH_INTERVAL_S
            ),
        )
        return kept.step if run.offline else run.starting_step - 1

    def line(self, trial: str, step: int, metrics: Metrics) -> None:
        run = self._runs[trial]
        run.log(dict(metrics), step=step, commit=True)
        WANDB.write(self._folders[trial], LoggerRun(run.id, step))

    def end(self, trial: str, status: str) -> None:
        run = self._runs.pop(trial)
        run.summary["status"] = status
        run.finish(exit_code=int(status == "failed"))

    def close(self) -> None:
        self._wandb.teardown()  # a run's own finish() returns before the last lines are in its file


class _Tensorboard(Tool):
    """The HPARAMS page: each trial's options beside the curves, which rank 0 writes whether asked for or not."""

    def __init__(self, name: str, folder: str, address: str) -> None:
        pass

    def begin(self, trial: str, options: Options, folder: str) -> int:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        plain = {key: value if isinstance(value, bool | int | float) else str(value) for key, value in options.items()}
        content = io.BytesIO()
        writer = RecordWriter(content)
        writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        writer.write(Event(wall_time=time.time(), summary=hparams_pb(plain, trial_id=trial)).SerializeToString())
        # First of the folder by name: of files that are read in order, TensorBoard follows the last one only.
        files.write_bytes_atomic(files.join(folder, TENSORBOARD, "events.out.tfevents.0.hparams"), content.getvalue())
        return -1


TOOLS: dict[str, Callable[[str, str, str], Tool]] = {"mlflow": _Mlflow, "wandb": _Wandb, "tensorboard": _Tensorboard}
