"""Many experiments from one: every combination of a few values, random draws, or trials tuned as they begin."""

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.configuration import from_dict
from app.experiment import Experiment, Study
from app.search_space import Choice, Range, Tuning, check_choices, with_value


@dataclass(frozen=True)
class Search:
    """What a study file may hold as `search`, in place of `experiments` or beside them."""

    base: Mapping[str, Any]
    """Fields of the experiments, but for their names."""
    parameters: Mapping[str, Choice]
    """What differs, by path (`optimizer.learning_rate`): values to choose from, or a range to draw from."""
    method: Literal["grid", "random", "tpe"] = "grid"
    """`grid`: every combination; `random`: `num_trials` draws; `tpe`: as many, each chosen when it begins, from how
    those before did."""
    num_trials: int | None = None
    """Of `random` and `tpe`."""
    num_random: int | None = None
    """Of `tpe`: trials that have to end before it learns; app.search_space.Tuning has the default."""
    prefix: str = field(default="")
    """Begins the experiments' names."""

    def __post_init__(self) -> None:
        check_choices(self.parameters)
        ranges = [path for path, choice in self.parameters.items() if isinstance(choice, Range)]
        if self.method == "grid" and ranges:
            raise ValueError(f"{ranges[0]}: a grid takes values, not a range; list them, or take method random or tpe")
        if (self.num_trials is None) != (self.method == "grid") or (self.num_trials or 1) < 1:
            raise ValueError(
                f"num_trials: got {self.num_trials}, wanted 1 or more with method random or tpe, else none"
            )
        if self.num_random is not None and self.method != "tpe":
            raise ValueError(f"num_random: got {self.num_random} with method {self.method}, wanted it with tpe alone")


def study_of(values: Mapping[str, Any]) -> Study:
    """The study of a file's values, its search written out. The same file gives the same experiments each time.

    Raises:
        ValueError: an unknown key or a wrong value; names it.
    """
    plain = dict(values)
    if "search" not in plain:
        return Study.from_dict(plain)
    search = from_dict(Search, plain.pop("search"), "search")
    listed = plain.get("experiments", [])
    if not isinstance(listed, list):
        raise ValueError(f"experiments: got {listed!r}, wanted a list")
    if search.method == "tpe" and plain.get("tuning") is not None:
        raise ValueError("tuning: a search with method tpe makes it; leave one of them out")
    made = tuned(search) if search.method == "tpe" else {"experiments": expand(search, plain.get("seed", 0))}
    return Study.from_dict({**plain, **made, "experiments": [*listed, *made["experiments"]]})


def tuned(search: Search) -> dict[str, Any]:
    """The `experiments` and the `tuning` of a study: trials by their numbers, with the values of the base until they
    begin."""
    names = tuple(f"{search.prefix}{number:03d}" for number in range(search.num_trials or 0))
    rule = {} if search.num_random is None else {"num_random": search.num_random}
    return {
        "experiments": [{**search.base, "name": name} for name in names],
        "tuning": Tuning(search.parameters, names, **rule),
    }


def expand(search: Search, seed: int) -> list[dict[str, Any]]:
    """Plain values of each experiment of a grid or of random draws, named by what sets it apart:
    `learning_rate=0.01+loss=dice`."""
    chosen: list[tuple[Any, ...]]
    if search.method == "grid":
        chosen = list(itertools.product(*(_values(choice) for choice in search.parameters.values())))
    else:
        chance = random.Random(seed)
        num = search.num_trials or 0
        chosen = [tuple(_draw(choice, chance) for choice in search.parameters.values()) for _ in range(num)]
    experiments = []
    for number, values in enumerate(chosen):
        settings = dict(zip(search.parameters, values, strict=True))
        label = "+".join(f"{path.rsplit('.', 1)[-1]}={_shown(value)}" for path, value in settings.items())
        name = search.prefix + (label if search.method == "grid" else f"{number:03d}+{label}")
        experiment: dict[str, Any] = {**search.base, "name": name}
        for path, value in settings.items():
            experiment = with_value(experiment, path, value)
        Experiment.from_dict(experiment)
        experiments.append(experiment)
    return experiments


def _values(choice: Choice) -> tuple[Any, ...]:
    assert not isinstance(choice, Range)
    return choice


def _draw(choice: Choice, chance: random.Random) -> Any:
    return choice.draw(chance) if isinstance(choice, Range) else chance.choice(choice)


def _shown(value: Any) -> str:
    """A value as part of a name: letters, digits and . + = - alone."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return "".join(character if character.isalnum() or character in ".-" else "_" for character in text).strip("_")
