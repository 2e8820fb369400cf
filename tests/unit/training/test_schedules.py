import pytest

from app.experiment import ScheduleConfig
from app.training.schedules import learning_rate_factor


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (ScheduleConfig("constant", warmup_share=0.0), 99, 1.0),
        (ScheduleConfig("constant", warmup_share=0.1), 0, 0.1),
        (ScheduleConfig("constant", warmup_share=0.1), 4, 0.5),
        (ScheduleConfig("constant", warmup_share=0.1), 9, 1.0),
        (ScheduleConfig("cosine", warmup_share=0.0), 0, 1.0),
        (ScheduleConfig("cosine", warmup_share=0.0), 50, 0.5),
        (ScheduleConfig("cosine", warmup_share=0.0), 100, 0.0),
        (ScheduleConfig("cosine", warmup_share=0.2), 60, 0.5),
        (ScheduleConfig("poly", warmup_share=0.0, power=0.9), 50, 0.5**0.9),
        (ScheduleConfig("poly", warmup_share=0.0, power=2.0), 75, 0.0625),
        (ScheduleConfig("poly", warmup_share=0.0), 100, 0.0),
        (ScheduleConfig("slanted-triangular", warmup_share=0.1), 0, 1 / 32),
        (ScheduleConfig("slanted-triangular", warmup_share=0.1), 5, (1 + 0.5 * 31) / 32),
        (ScheduleConfig("slanted-triangular", warmup_share=0.1), 10, 1.0),
        (ScheduleConfig("slanted-triangular", warmup_share=0.1, ratio=10), 55, (1 + 0.5 * 9) / 10),
        (ScheduleConfig("slanted-triangular", warmup_share=0.1), 100, 1 / 32),
    ],
)
def test_factor_by_hand(schedule: ScheduleConfig, step: int, expected: float) -> None:
    assert learning_rate_factor(schedule, step, 100) == pytest.approx(expected)


def test_no_step_of_a_short_training_has_a_rate_of_zero() -> None:
    for name in ("constant", "cosine", "poly", "slanted-triangular"):
        schedule = ScheduleConfig(name, warmup_share=0.5)  # type: ignore[arg-type]
        assert all(learning_rate_factor(schedule, step, 3) > 0 for step in range(3))
