"""What jobs lend to workloads: work on many items and with trained models, on Ray or in this process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.data import files
from app.workloads.declaration import Launcher


@dataclass(frozen=True)
class JobEngine:
    """Implements app.workloads.declaration.Engine by the flags of a job."""

    launcher: Launcher
    num_workers: int = 1
    """That each hold a model."""
    num_cpus: int | None = None
    """Items worked on at a time without a model; None: as many as there are cores."""

    def run_cases(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        name: str,
        count: Callable[[Any], int] | None = None,
        reads: Sequence[str] = (),
        writes: str | None = None,
    ) -> Iterator[Any]:
        if self.launcher == "local":
            from app.execution.parallel import in_process

            return in_process.run_cases(function, items, self.num_cpus)
        from app.execution.parallel import tasks

        if writes is None:
            return tasks.run_cases(function, items, self.num_cpus, name, reads)
        from app.execution.trials.gauges import with_rate

        written = files.name_of(writes)
        found = tasks.run_cases(function, items, self.num_cpus, f"{name}:{written}", reads, writes)
        return found if count is None else with_rate("prepared_per_s", written, found, count)

    def open_model(self, path: str, workload: str) -> Any:
        from app.execution.models.model import load_model_of

        return load_model_of(path, workload)

    def map_with_model(
        self,
        path: str,
        function: Callable[[Any, Any], Any],
        items: Sequence[Any],
        options: Mapping[str, Any] | None = None,
        reads: Sequence[str] = (),
        writes: str | None = None,
    ) -> Iterator[Any]:
        from app.execution.models.predict import map_with_model

        return map_with_model(path, function, items, self.num_workers, self.launcher, options, reads, writes)

    def evaluate(
        self,
        run: str,
        store: str,
        split: str,
        options: Mapping[str, Any] | None = None,
        conventions: Sequence[str] = (),
        workloads: Sequence[str] = (),
    ) -> Any:
        from app.execution.models.evaluate import evaluate_run

        return evaluate_run(run, store, split, self.num_workers, self.launcher, options, conventions, workloads)

    def check_run(self, run: str, store: str, split: str, workloads: Sequence[str] = ()) -> None:
        from app.execution.models.evaluate import check_run

        check_run(run, store, split, workloads=workloads)

    def is_evaluated(self, run: str, store: str, split: str) -> bool:
        from app.execution.models.evaluate import is_evaluated

        return is_evaluated(run, store, split)
