"""The table that the evaluation prints."""

from app.execution.evaluate import Evaluation, Mean
from jobs.evaluate import table


def test_columns_stay_in_line_however_long_a_score_is_named() -> None:
    scores = {"loss": Mean(0.25, None, None, 1), "accuracy_deduplicated": Mean(0.5, 0.25, 0.75, 12)}
    head, short, long = table(Evaluation("m", "s", "test", 12, scores, {}))
    assert long == "accuracy_deduplicated     0.5000   0.2500 to 0.7500       12"
    assert len(head) == len(short) == len(long)
    assert head.index("95 %") == long.index("0.2500") and short.split() == ["loss", "0.2500", "-", "1"]
