"""Stores on the command line, and which experiment reads which."""

import pytest

from app.errors import UsageError
from app.execution.studies.store_flags import parse_stores, stores_of
from app.experiment import Experiment, Study


def study(*stores: str | None) -> Study:
    return Study("s", tuple(Experiment(name=f"e{i}", workload="w", store=store) for i, store in enumerate(stores)))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["data/store"], {"": "data/store"}),
        (["scans=/x/scans", "pages=s3://bucket/pages"], {"scans": "/x/scans", "pages": "s3://bucket/pages"}),
        (["runs/lr=0.1/store"], {"": "runs/lr=0.1/store"}),
        (["a=runs/lr=0.1/store"], {"a": "runs/lr=0.1/store"}),
    ],
)
def test_stores_are_named_before_the_first_equals_sign(flags: list[str], expected: dict[str, str]) -> None:
    assert parse_stores(flags) == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["=x"], "got '=x', expected DIR or NAME=DIR"),
        (["a="], "got 'a=', expected DIR or NAME=DIR"),
        ([""], "got '', expected DIR"),
        (["a=x", "a=y"], "two stores named 'a': x and y"),
        (["x", "y"], "two stores without a name: x and y; expected NAME=DIR"),
    ],
)
def test_wrong_stores_are_refused(flags: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_stores(flags)
    assert message in str(caught.value)


def test_each_experiment_gets_the_store_it_names() -> None:
    named = {"a": "/a", "b": "/b"}
    assert stores_of(study("b", "a"), named) == {"e0": "/b", "e1": "/a"}
    assert stores_of(study(None, None), {"": "/x"}) == {"e0": "/x", "e1": "/x"}
    assert stores_of(study("a", None), {"": "/x"}) == {"e0": "/x", "e1": "/x"}, "one store, whatever its name"
    assert stores_of(study("a", None), {"": "/x", "a": "/a"}) == {"e0": "/a", "e1": "/x"}


def test_a_store_that_is_not_given_is_asked_for_by_name() -> None:
    with pytest.raises(UsageError, match=r"e0 reads the store 'pages': give --store pages=DIR \(did you mean 'page'\?"):
        stores_of(study("pages"), {"page": "/x"})
    with pytest.raises(UsageError, match="e1 reads the store 'b': give --store b=DIR"):
        stores_of(study("a", "b"), {"a": "/a"})
    with pytest.raises(UsageError, match="none is named"):
        stores_of(study("a", "b"), {"": "/x"})
    with pytest.raises(UsageError, match="e0 names no store"):
        stores_of(study(None), {"a": "/a"})
