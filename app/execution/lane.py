"""A lane: a place in a plan where one trial after the other is trained by the same k workers.

The workers are actors that stay up, so that start-up is paid once a lane and not once a trial. Measured on two busy
cores, eight trainings of a fraction of a second, two at a time: 8 s in lanes, 76 s as Tune's function trainables, 16 s
with Tune's actors used again, which k > 1 can not have.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from app.execution.attempts import Failure
from app.execution.lane_worker import LaneWorker, Order, Outcome

GRACE_S = 5.0
"""How long the other workers may take to say what went wrong, once one has failed: the first to tell may only have
noticed that another is gone."""
START_TIMEOUT_S = 180.0
"""Assumed: workers that are not up by then never will be; a node they need is gone or taken."""


@dataclass(frozen=True)
class LaneShape:
    """What a lane is made of."""

    num_workers: int
    per_worker: dict[str, float]
    """Ray's resources of each: CPU, GPU."""
    one_node: bool
    """All workers on one node."""


@dataclass
class Lane:
    """Takes an order, is polled until it has an outcome, takes the next. After a failure its workers are replaced: what
    a failed training leaves in a process is unknown."""

    index: int
    shape: LaneShape
    order: Order | None = None
    began_s: float = 0.0
    """time.time() at which its workers were asked for."""
    _workers: list[Any] = field(default_factory=list)
    _group: PlacementGroup | None = None
    _pending: list[Any] = field(default_factory=list)
    _joining: list[Any] = field(default_factory=list)
    _outcomes: list[Outcome] = field(default_factory=list)
    _failed_at_s: float | None = None

    @property
    def is_up(self) -> bool:
        return bool(self._workers)

    @property
    def pending(self) -> list[Any]:
        """What to wait for."""
        return self._pending

    @property
    def is_failing(self) -> bool:
        """One worker has failed and the others may yet say why."""
        return self._failed_at_s is not None

    def start(self) -> None:
        """Ask for the workers; nothing waits for them here."""
        assert not self._workers
        self.began_s = time.time()
        k = self.shape.num_workers
        strategies: list[Any] = ["DEFAULT"]
        if k > 1:
            how = "STRICT_PACK" if self.shape.one_node else "PACK"
            self._group = placement_group([self.shape.per_worker] * k, strategy=how)
            strategies = [PlacementGroupSchedulingStrategy(self._group, rank) for rank in range(k)]
        extra = {name: amount for name, amount in self.shape.per_worker.items() if name not in ("CPU", "GPU")}
        actor: Any = ray.remote(LaneWorker)
        self._workers = [
            actor.options(
                num_cpus=self.shape.per_worker["CPU"],
                num_gpus=self.shape.per_worker.get("GPU", 0.0),
                resources=extra,
                scheduling_strategy=strategies[rank],
            ).remote(rank, k)
            for rank in range(k)
        ]
        self._joining = [worker.__ray_ready__.remote() for worker in self._workers]
        if k > 1:
            address = self._workers[0].open_group.remote()
            self._joining = [worker.join_group.remote(address) for worker in self._workers]

    def give(self, order: Order) -> None:
        """The next order; the lane must be free."""
        assert self.order is None
        if not self._workers:
            self.start()
        self.order = order
        self._pending = [worker.run.remote(order) for worker in self._workers]
        self._outcomes = []
        self._failed_at_s = None

    def poll(self) -> Outcome | None:
        """What came of the order, once that is known; the lane is then free."""
        if self.order is None:
            return None
        done, self._pending = ray.wait(self._pending, num_returns=len(self._pending), timeout=0)
        self._outcomes += [_outcome(ref) for ref in done]
        failures = [outcome.failure for outcome in self._outcomes if outcome.failure is not None]
        if failures and self._failed_at_s is None:
            self._failed_at_s = time.monotonic()
        if self._failed_at_s is not None:
            told = not self._pending or any(failure.kind != "error" for failure in failures)
            if told or time.monotonic() - self._failed_at_s > GRACE_S:
                self.close()
                return Outcome(failure=telling(failures))
            return None
        if self._pending:
            return None
        self.order = None
        return next(o for o in self._outcomes if o.record is not None or o.stopped or o.paused)

    def is_overdue(self) -> bool:
        """Its workers were asked for long ago and are not there."""
        if self._joining:
            _, self._joining = ray.wait(self._joining, num_returns=len(self._joining), timeout=0)
        return bool(self._joining) and time.time() - self.began_s > START_TIMEOUT_S

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        for worker in self._workers:
            ray.kill(worker)
        if self._group is not None:
            remove_placement_group(self._group)
        self._workers, self._pending, self._joining, self._group, self.order = [], [], [], None, None
        self._failed_at_s = None


def telling(failures: list[Failure]) -> Failure:
    """The failure that says most: what is known to repeat itself, then a death, then what others noticed of it."""
    return min(failures, key=lambda failure: ("final", "death", "error").index(failure.kind))


def _outcome(ref: Any) -> Outcome:
    try:
        found: Outcome = ray.get(ref)
    except ray.exceptions.RayActorError as error:
        return Outcome(failure=Failure("death", f"a worker died: {_cause(error)}"))
    except ray.exceptions.RayError as error:
        return Outcome(failure=Failure("error", _cause(error)))
    return found


def _cause(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
