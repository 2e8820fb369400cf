"""Many experiments from one: every combination of a few values, random draws, or trials chosen as they begin."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import Any

from app.configuration import from_dict, nearest
from app.errors import UsageError
from app.experiment import Study, searched
from app.planning.names import names_of
from app.search_space import Choice, applicable, applies, check_choices, draw, listed, parents_first
from app.strict_json import mapping

GRID, RANDOM = "grid", "random"
"""Written out before the study runs; any other algorithm is one of app.execution.studies.searchers."""
MAX_TRIALS = 10_000
"""Most trials of a search (assumed): each is written out and checked before anything starts, 2 ms each."""
MOVED = {
    "method": '"algorithm": "grid", "random" or a searcher of Ray Tune; "tpe" is "optuna"',
    "num_random": '"n_startup_trials" (of algorithm optuna)',
}
"""Keys that a search no longer has, and what says the same."""


@dataclass(frozen=True)
class Request:
    """What a study file may hold as `search`, in place of `experiments` or beside them; an algorithm's own options
    stand beside these."""

    base: Mapping[str, Any]
    """Fields of the experiments, but for their names."""
    parameters: Mapping[str, Choice]
    """What differs, by path (`optimizer.learning_rate`): values to choose from, or numbers to draw."""
    algorithm: str = GRID
    """`grid`: every combination; `random`: `num_trials` draws; any other: as many, each chosen when it begins, from how
    those before did."""
    num_trials: int | None = None
    """Number of trials of every search but `grid`."""
    prefix: str = field(default="")
    """Begins the experiments' names."""

    def __post_init__(self) -> None:
        check_choices(self.parameters)
        drawn = [path for path, choice in self.parameters.items() if listed(choice) is None]
        if self.algorithm == GRID and drawn:
            raise UsageError(f"{drawn[0]}: a grid takes values, not a range; list them, or take algorithm random")
        if (self.num_trials is None) != (self.algorithm == GRID) or (
            self.num_trials is not None and self.num_trials < 1
        ):
            raise UsageError(f"num_trials: got {self.num_trials}, expected 1 or more, and none for algorithm grid")
        if (self.num_trials or 0) > MAX_TRIALS:
            raise UsageError(f"num_trials: got {self.num_trials}, expected at most {MAX_TRIALS}")


def study_of(values: Any) -> Study:
    """The study of a file's values, its search written out. The same file gives the same experiments each time.

    Raises:
        UsageError: an unknown key or a wrong value; names it.
    """
    plain = dict(mapping(values))
    scheduler = plain.get("scheduler")
    if isinstance(scheduler, Mapping) and "options" not in scheduler:  # those of study.json have them apart
        ours = {key: scheduler[key] for key in ("name", "widen") if key in scheduler}
        plain["scheduler"] = {**ours, "options": {key: scheduler[key] for key in scheduler if key not in ours}}
    found = plain.get("search")
    if not isinstance(found, Mapping) or "trials" in found:  # of study.json: written out
        return Study.from_dict(plain)
    request, options = read(plain.pop("search"))
    written = plain.get("experiments", [])
    if not isinstance(written, list):
        raise UsageError(f"experiments: got {written!r}, expected a list")
    if request.algorithm in (GRID, RANDOM):
        return Study.from_dict({**plain, "experiments": [*written, *expand(request, plain.get("seed", 0))]})
    names = [f"{request.prefix}{number:03d}" for number in range(request.num_trials or 0)]
    search = {"algorithm": request.algorithm, "parameters": request.parameters, "trials": names, "options": options}
    made = [{**request.base, "name": name} for name in names]
    return Study.from_dict({**plain, "experiments": [*written, *made], "search": search})


def read(values: Mapping[str, Any]) -> tuple[Request, dict[str, Any]]:
    """A file's search, and the algorithm's own options; whether it has them is checked where it is known
    (app.execution.studies.searchers).

    Raises:
        UsageError: an unknown key or a wrong value; names it.
    """
    for key, now in MOVED.items():
        if key in values:
            raise UsageError(f"search.{key}: searches no longer have it; write {now}")
    known = [f.name for f in fields(Request)]
    options = {key: value for key, value in values.items() if key not in known}
    if options and values.get("algorithm", GRID) in (GRID, RANDOM):
        raise UsageError(f"unknown key {'search.' + next(iter(options))!r}: {nearest(next(iter(options)), known)}")
    return from_dict(Request, {key: values[key] for key in values if key in known}, "search"), options


def expand(request: Request, seed: int) -> list[dict[str, Any]]:
    """Plain values of each experiment of a grid or of random draws, named by what sets it apart:
    `learning_rate=0.01+loss=dice`."""
    parameters = request.parameters
    if request.algorithm == GRID:
        chosen = list(islice(_combinations(request, parents_first(parameters), {}), MAX_TRIALS + 1))
        if len(chosen) > MAX_TRIALS:
            raise UsageError(f"the grid has more than {MAX_TRIALS} combinations; list fewer values, or draw at random")
    else:
        chance = random.Random(seed)  # every parameter is drawn: a condition changes no other's draws
        drawn = [{path: draw(parameters[path], chance) for path in parameters} for _ in range(request.num_trials or 0)]
        chosen = [applicable(parameters, values) for values in drawn]
    names = names_of(chosen, request.prefix, numbered=request.algorithm != GRID)
    experiments = []
    for name, values in zip(names, chosen, strict=True):
        experiments.append(searched({**request.base, "name": name}, values).to_dict())
    return experiments


def _combinations(request: Request, open_paths: list[str], values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the paths that are left, each once; a parameter that does not apply makes none."""
    if not open_paths:
        yield {path: values[path] for path in request.parameters if path in values}
        return
    path, *others = open_paths
    if not applies(request.parameters[path], values):
        yield from _combinations(request, others, values)
        return
    seen: list[Any] = []
    for value in listed(request.parameters[path]) or ():
        if value not in seen:
            seen.append(value)
            yield from _combinations(request, others, {**values, path: value})
