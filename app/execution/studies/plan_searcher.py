"""Gives Tune the trials of a plan (app.planning.plan.next_trial says which)."""

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher


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
