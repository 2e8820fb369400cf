"""Experiments check themselves, say which numbers of workers fit, and survive JSON."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.experiment import Experiment, OptimizerConfig, ScheduleConfig, Study


def experiment(**changes: Any) -> Experiment:
    return Experiment(**{"name": "a", "workload": "brats", **changes})


def test_a_batch_that_does_not_divide_names_the_workers_that_do() -> None:
    with pytest.raises(ValueError) as caught:
        experiment(batch_size=12).global_batch_size(5)
    message = str(caught.value)
    assert "batch size 12 is not divisible by 5 workers" in message
    assert "[1, 2, 3, 4, 6, 12]" in message
    assert "fixed-per-worker" in message


@given(batch_size=st.integers(1, 300), num_workers=st.integers(1, 300))
def test_the_global_batch_is_the_same_on_every_k_that_fits(batch_size: int, num_workers: int) -> None:
    e = experiment(batch_size=batch_size)
    if batch_size % num_workers == 0:
        assert e.global_batch_size(num_workers) == batch_size
    else:
        with pytest.raises(ValueError, match="is not divisible by"):
            e.global_batch_size(num_workers)
    assert e.learning_rate(num_workers) == 1e-3


def test_fixed_per_worker_grows_batch_and_rate_alike() -> None:
    e = experiment(batch_size=3, batch_rule="fixed-per-worker", optimizer=OptimizerConfig(learning_rate=0.5))
    assert e.global_batch_size(4) == 12
    assert e.learning_rate(4) == 2.0


@pytest.mark.parametrize("rule", ["fixed-global", "fixed-per-worker"])
@pytest.mark.parametrize("num_workers", [0, -1])
def test_no_workers_is_an_error(rule: Any, num_workers: int) -> None:
    with pytest.raises(ValueError, match=f"num_workers: got {num_workers}, expected 1 or more"):
        experiment(batch_rule=rule).global_batch_size(num_workers)


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs: got 0, expected 1 to 1,000,000"),
        ({"epochs": 10**30}, f"epochs: got {10**30}, expected 1 to 1,000,000"),
        ({"batch_size": 0}, "batch_size: got 0, expected 1 to 1,000,000"),
        ({"evaluate_every_epochs": 0}, "evaluate_every_epochs: got 0"),
        ({"max_micro_batch_size": 0}, "max_micro_batch_size: got 0, expected 1 or more, or null"),
        ({"checkpoint_every_s": 0}, "checkpoint_every_s: got 0"),
        ({"max_retries": -1}, "max_retries: got -1"),
        ({"ema_decay": 1}, "ema_decay: got 1.0, expected more than 0 and less than 1, or null"),
        ({"name": ""}, "name: got ''"),
        ({"name": ".."}, "name: got '..'"),
        ({"name": "a/b"}, "name: got 'a/b'"),
        ({"name": "a b"}, "it names a folder"),
        ({"name": "a\tb"}, "it names a folder"),
        ({"name": "a\n"}, "it names a folder"),
        ({"optimizer": {"learning_rate": 0}}, "optimizer: learning_rate: got 0.0, expected more than 0"),
        ({"optimizer": {"learning_rate": NAN}}, "optimizer: learning_rate: got nan"),
        ({"optimizer": {"weight_decay": -1}}, "optimizer: weight_decay: got -1.0"),
        ({"optimizer": {"beta2": 1}}, "optimizer: beta2: got 1.0"),
        ({"optimizer": {"clip_norm": 0}}, "optimizer: clip_norm: got 0.0"),
        ({"optimizer": {"name": "adamW"}}, "optimizer.name: got 'adamW'; did you mean 'adamw'?"),
        ({"schedule": {"warmup_share": 1.5}}, "schedule: warmup_share: got 1.5, expected between 0 and 1"),
        ({"schedule": {"power": 0}}, "schedule: power: got 0.0"),
        ({"precision": "fp16"}, "precision: got 'fp16'"),
        ({"seed": -1}, "seed: got -1, expected 0 to 9223372036854775807"),
        ({"seed": 2**63}, "seed: got 9223372036854775808, expected 0 to"),
        ({"task": {"filters": [4, 10**40]}}, "task: got a number of 133 bits, expected at most 63"),
        ({"task": {"overlap": NAN}}, "task: got nan, expected a finite number"),
        ({"batchsize": 4}, "unknown key 'batchsize': did you mean 'batch_size'?"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Experiment.from_dict({"name": "a", "workload": "brats", **values})
    assert message in str(caught.value)


def test_no_clipping_and_whole_batches_are_spelled_null() -> None:
    built = Experiment.from_dict(
        {"name": "a", "workload": "w", "optimizer": {"clip_norm": None}, "max_micro_batch_size": None}
    )
    assert built.optimizer.clip_norm is None
    assert built.max_micro_batch_size is None


def test_a_study_names_the_experiment_that_is_wrong() -> None:
    good = {"name": "a", "workload": "w"}
    with pytest.raises(ValueError, match=r"^experiments\[1\]: epochs: got 0"):
        Study.from_dict({"name": "s", "experiments": [good, {"name": "b", "workload": "w", "epochs": 0}]})


def test_a_study_needs_experiments_with_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="repeated: a, c"):
        Study("s", tuple(experiment(name=n) for n in "abcac"))
    with pytest.raises(ValueError, match="experiments: got \\[\\], expected at least one"):
        Study("s", ())
    with pytest.raises(ValueError, match="it names a folder"):
        Study("s/t", (experiment(),))
    with pytest.raises(ValueError, match="experiments: LR, lr differ in case alone"):
        Study("s", tuple(experiment(name=n) for n in ("lr", "other", "LR")))


def test_names_that_no_disk_takes_are_refused_before_a_folder_is_made() -> None:
    assert len(experiment(name="a" * 200).name) == 200
    with pytest.raises(ValueError, match=r"name: got 201 bytes \(a{40}...\), expected 200 at most"):
        experiment(name="a" * 201)


names = st.from_regex(r"[a-z0-9][a-z0-9._=+-]{0,8}", fullmatch=True)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
experiments = st.builds(
    Experiment,
    name=names,
    workload=names,
    task=st.dictionaries(names, st.integers(1 - 2**63, 2**63 - 1) | st.text() | st.none(), max_size=3),
    seed=st.integers(0, 2**63 - 1),
    epochs=st.integers(1, 10**6),
    batch_size=st.integers(1, 10**6),
    batch_rule=st.sampled_from(["fixed-global", "fixed-per-worker"]),
    max_micro_batch_size=st.none() | st.integers(1, 64),
    optimizer=st.builds(OptimizerConfig, learning_rate=positive, clip_norm=st.none() | positive),
    schedule=st.builds(ScheduleConfig, warmup_share=st.floats(0, 1), power=positive),
    compile=st.booleans(),
)


@given(st.lists(experiments, min_size=1, max_size=3, unique_by=lambda e: e.name.lower()), st.integers(0, 99))
def test_studies_survive_json(several: list[Experiment], seed: int) -> None:
    study = Study("s", tuple(several), seed)
    assert Study.from_dict(json.loads(json.dumps(study.to_dict()))) == study


def test_experiments_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        experiment().epochs = 3  # type: ignore[misc]


def test_learning_rate_grows_with_the_batch_where_a_reference_is_given() -> None:
    optimizer = OptimizerConfig(learning_rate=0.2, reference_batch_size=256)
    assert experiment(batch_size=16, optimizer=optimizer).learning_rate(4) == pytest.approx(0.0125)
    each = experiment(batch_size=16, batch_rule="fixed-per-worker", optimizer=optimizer)
    assert each.learning_rate(4) == pytest.approx(0.05)


def chain(**origins: str | None) -> Study:
    return Study("s", tuple(experiment(name=name, starts_from=origin) for name, origin in origins.items()))


def test_generations_follow_what_starts_from_what() -> None:
    assert chain(a=None, b=None).generations() == [["a", "b"]]
    assert chain(d="c", a=None, c="a", b="a", e=None).generations() == [["a", "e"], ["c", "b"], ["d"]]


def test_an_origin_that_is_missing_or_goes_in_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match=r"b: starts_from: got 'x', expected one of the study: \['a', 'b'\]"):
        chain(a=None, b="x")
    with pytest.raises(ValueError, match=r"starts_from goes in a circle: \['b', 'c'\]"):
        chain(a=None, b="c", c="b")
    with pytest.raises(ValueError, match="in a circle"):
        chain(a="a")


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.randoms())
def test_each_generation_starts_from_the_one_before(numbers: list[int], random: Any) -> None:
    origins = {f"t{i}": f"t{n % i}" if i and n % 3 else None for i, n in enumerate(numbers)}
    names = list(origins)
    random.shuffle(names)
    found = chain(**{name: origins[name] for name in names}).generations()
    number = {name: i for i, generation in enumerate(found) for name in generation}
    assert sorted(number) == sorted(names)
    assert all(number[name] == (0 if origin is None else number[origin] + 1) for name, origin in origins.items())
