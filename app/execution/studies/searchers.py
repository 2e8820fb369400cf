"""Ray Tune's search algorithms by name: which of them a study may have, and one that is ready to choose.

Each library is given numbers between two ends, whole numbers and labels alone, which all of them know; logarithms,
steps, normal draws and lists of anything are made of these here, by `values_of`. Whoever drives a searcher tells it of
every trial that ended, and of one that failed or whose score is not a number a low one: Optuna would wait for a NaN for
ever, and leave a failure out and choose the same again.
"""

import importlib.util
import math
import random
import shlex
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from app.configuration import to_dict
from app.errors import UsageError
from app.execution.studies.schedulers import SCORE, check_options, checked_name, made, options_of
from app.search_space import WIDTH, Choice, Normal, Range, Search, listed

if TYPE_CHECKING:
    from ray.tune.search import Searcher

SEARCHERS: dict[str, str | None] = {
    "variant_generator": "it is Tune's own grid and random draws; say grid or random, which are listed before the "
    "study runs",
    "random": None,
    "ax": "Tune's link to it does not know today's Ax: it ends with \"'Objective' object has no attribute "
    "'objectives'\" (tried with ax-platform 1.3.1); use optuna",
    "hyperopt": None,
    "bayesopt": None,
    "bohb": "it goes with the scheduler hb_bohb alone, which is refused; take optuna, with the scheduler asha",
    "nevergrad": None,
    "optuna": None,
    "zoopt": "after its first few points it suggests none, and the study would wait forever (seen with zoopt 0.4.2)",
    "hebo": None,
}
"""Every name of ray.tune.search.SEARCH_ALG_IMPORT: None where it runs, else why it does not."""
ALIASES = {"grid": "random"}
"""Both are written out before a study runs (app.planning.search); no searcher is made for them."""

PACKAGES = {
    "hyperopt": ("hyperopt", "hyperopt"),
    "bayesopt": ("bayes_opt", "bayesian-optimization==1.4.3"),
    "nevergrad": ("nevergrad", "nevergrad"),
    "optuna": ("optuna", "optuna>=5"),
    "hebo": ("hebo", "HEBO>=0.2.0"),
}
"""What an algorithm imports, and what pip installs for it, in the versions that Tune asks for."""

SEEDS = {"hyperopt": "random_state_seed", "bayesopt": "random_state", "hebo": "random_state_seed"}
"""What a library calls its seed."""
NO_VALUES = {"metric", "mode", "space", "seed", *SEEDS.values()} | {
    *("sampler", "storage", "study_name", "analysis", "verbose"),  # objects, or ours to set
    *("points_to_evaluate", "evaluated_rewards"),  # in the library's own numbers: see values_of
}
"""Options of Tune's classes that a file cannot give."""
OF_SAMPLER = {"seed", "gamma", "weights", "categorical_distance_func", "constraints_func", "search_space"}
"""Options of Optuna's TPESampler that are functions, or ours."""


def check_search(search: Search | None) -> None:
    """Raises UsageError unless `make_searcher` would make it; starts nothing."""
    if search is not None:
        make_searcher(search, 0)


def make_searcher(search: Search, seed: int, points: Sequence[Mapping[str, Any]] = ()) -> "Searcher":
    """Tune's searcher of the study's parameters, told that of `score` more is better; `values_of` reads its
    suggestions. One that is made again after a restart takes another seed: with the same it would begin with the
    points that it began with before. It suggests `points`, its own earlier suggestions, first.

    Raises:
        UsageError: no such algorithm, one that studies cannot have, options that it does not take, parameters that
            it cannot search, or a missing package.
    """
    name = checked_name("search.algorithm", search.algorithm, SEARCHERS, ALIASES)
    if name == "random":
        raise UsageError(f"search.algorithm: {search.algorithm} is listed before the study runs; no searcher makes it")
    module, package = PACKAGES[name]
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"search.algorithm {name} needs a package that is missing: pip install {shlex.quote(package)}")
    if name == "bayesopt":
        lists = [path for path, choice in search.parameters.items() if listed(choice) is not None]
        if lists:
            raise UsageError(f"search.algorithm bayesopt: {lists[0]} is a list, and it knows numbers only; use optuna")
    space = {path: _domain(choice, whole=name != "bayesopt") for path, choice in search.parameters.items()}
    known = [dict(point) for point in points] or None
    searcher: Any = _optuna(search, seed, known) if name == "optuna" else _other(name, search, seed, known)
    try:
        searcher.set_search_properties(SCORE, "max", space)
    except (AssertionError, ValueError, TypeError) as error:
        raise UsageError(f"search.algorithm {name}: {error}") from error
    if name == "nevergrad":
        import numpy as np

        searcher._nevergrad_opt.parametrization.random_state = np.random.RandomState(seed % 2**32)
    made_ready: Searcher = searcher
    return made_ready


def values_of(search: Search, suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """What a searcher suggested, by path, as experiments take it; every parameter, those that do not apply too
    (app.search_space.applicable)."""
    return {path: _value(choice, suggestion[path]) for path, choice in search.parameters.items()}


def _optuna(search: Search, seed: int, points: list[dict[str, Any]] | None) -> Any:
    """The tree-structured Parzen estimator (TPE, Bergstra et al. 2011), with its own options beside Tune's."""
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    check_options("search", search.options, options_of(optuna.samplers.TPESampler, without=OF_SAMPLER))
    # Trials under way count as bad ones, so that those beside them are chosen elsewhere.
    options = {"constant_liar": True, **search.options, "seed": seed % 2**32}
    sampler = made("search", "optuna", optuna.samplers.TPESampler, options)
    kind: Any = OptunaSearch
    return kind(metric=SCORE, mode="max", sampler=sampler, points_to_evaluate=points)


def _other(name: str, search: Search, seed: int, points: list[dict[str, Any]] | None) -> Any:
    from ray.tune.search import SEARCH_ALG_IMPORT

    importer: Any = SEARCH_ALG_IMPORT[name]  # imports the library
    kind = importer()
    check_options("search", search.options, options_of(kind, without=NO_VALUES))
    options: dict[str, Any] = {**search.options, "metric": SCORE, "mode": "max", "points_to_evaluate": points}
    if name in SEEDS:
        options[SEEDS[name]] = seed % 2**31
    if name == "nevergrad":
        import nevergrad

        given = options.get("optimizer", "NGOpt")
        check_options("search.optimizer", [given], sorted(nevergrad.optimizers.registry))
        options["optimizer"] = nevergrad.optimizers.registry[given]
        options["optimizer_kwargs"] = {"budget": len(search.trials), **options.get("optimizer_kwargs", {})}
    return made("search", name, kind, options)


def _domain(choice: Choice, whole: bool) -> Any:
    """What a library searches for a choice; `whole`: whether it knows whole numbers."""
    from ray import tune

    values = listed(choice)
    if values is not None:
        return tune.choice([str(place) for place in range(len(values))])
    if isinstance(choice, Normal):
        return tune.uniform(NormalDist().cdf(-WIDTH), NormalDist().cdf(WIDTH))
    assert isinstance(choice, Range)
    half = (choice.unit or 0) / 2
    if choice.log:
        return tune.uniform(math.log(choice.low - half), math.log(choice.high + half))
    if choice.unit is None:
        return tune.uniform(choice.low, choice.high)
    first, last = round(choice.low / choice.unit), round(choice.high / choice.unit)
    return tune.randint(first, last + 1) if whole else tune.uniform(first - 0.5, last + 0.5)


def _value(choice: Choice, suggested: Any) -> Any:
    """The other way round."""
    values = listed(choice)
    if values is not None:
        return to_dict(values[int(suggested)])
    number = float(suggested)  # some suggest numpy's
    if isinstance(choice, Normal):
        return choice.nearest(NormalDist(choice.mean, choice.sd).inv_cdf(number))
    assert isinstance(choice, Range)
    if choice.log:
        return choice.nearest(math.exp(number))
    return choice.nearest(number if choice.unit is None else round(number) * choice.unit)


def seed_of(seed: int, num_known: int) -> int:
    """The seed of a searcher that begins with `num_known` trials known: another one after each restart."""
    return random.Random(f"{seed} {num_known}").getrandbits(31)
