"""Of several workers' failures the one that says most is told."""

from app.execution.attempts import Failure
from app.execution.lane import telling


def test_the_cause_is_told_before_what_others_noticed_of_it() -> None:
    noticed, death = Failure("error", "connection closed by peer"), Failure("death", "a worker died")
    cause = Failure("final", "the store is damaged")
    assert telling([noticed, death]) == death
    assert telling([noticed, cause, death]) == cause
    assert telling([noticed]) == noticed
