"""Gives Tune the trials of a plan: in its order, as many at a time as it says, each after what it starts from."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ray.tune.search import Searcher

from app.planning.plan import Plan


def next_trial(
    plan: Plan, waiting: Collection[str], live: Mapping[str, int], lost_places: int, is_ready: Callable[[str], bool]
) -> str | None:
    """The trial that begins now; None: nothing may begin before something ends.

    Stages of one width follow each other without a pause; one of another width waits until the one before has ended,
    for its workers are others.

    Args:
        waiting: trials that have not begun.
        live: stage of each trial under way.
        lost_places: of those that a stage has, how many the cluster no longer has.
        is_ready: whether what a trial starts from is there.
    """
    widths = {plan.stages[stage].workers_per_trial for stage in live.values()}
    for stage in plan.stages:
        names = [name for name in stage.trials if name in waiting]
        if not names:
            continue
        if widths - {stage.workers_per_trial} or len(live) >= max(1, stage.concurrent_trials - lost_places):
            return None
        ready = next((name for name in names if is_ready(name)), None)
        if ready is not None:
            return ready
        widths = widths or {stage.workers_per_trial}
    return None


class PlanSearcher(Searcher):
    """Tune's searcher: whatever chooses the trials' values stands behind it."""

    def __init__(
        self,
        give: Callable[[], dict[str, Any] | None],
        is_over: Callable[[], bool],
    ) -> None:
        """`give`: the configuration of the next trial, None while there is none to begin; `is_over`: none will come."""
        super().__init__()
        self._give, self._is_over = give, is_over

    def set_search_properties(self, metric: Any, mode: Any, config: dict[str, Any], **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> Any:
        given = self._give()
        return Searcher.FINISHED if given is None and self._is_over() else given

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The study hears of it as Tune's callback, with the trial's name."""

    def save(self, checkpoint_path: str) -> None:
        """The study's folder is all that a restart needs."""

    def restore(self, checkpoint_path: str) -> None:
        """As for `save`."""
