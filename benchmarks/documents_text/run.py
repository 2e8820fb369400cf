"""Training a BERT on pages of text: batches of like length, as wide as their longest page, against 512 tokens always.

Tokens of text count, padding does not. Both sides train the same network by the same step; texts are made up, their
lengths as assumed for OCR text (document_data.draw_texts).
"""

from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy as np

from benchmarks import document_data
from benchmarks.common import Report, Setting, alternate, compare, load_average, say
from benchmarks.side import Side

TARGET = 1.5
BERTS: dict[str, dict[str, int]] = {
    "4 layers of 128": {"hidden_size": 128, "num_layers": 4, "num_heads": 4},
    "6 layers of 768": {"hidden_size": 768, "num_layers": 6, "num_heads": 12},
}
"""The demo's, and the first half of BERT base, which Ferrando 2020 trains."""
BATCH_SIZE = 8


def run(setting: Setting) -> Report:
    pages = document_data.make(setting)
    document_data.add_texts(pages)
    report = Report("documents_text", facts={"batch_size": BATCH_SIZE})
    for name, sizes in BERTS.items():
        if not setting.quick or sizes["num_layers"] == 4:
            _compare(setting, str(pages.store), name, sizes, report)
    report.facts["load_average"] = load_average()
    return report


def _compare(setting: Setting, store: str, name: str, sizes: dict[str, int], report: Report) -> None:
    folder = setting.work / "berts" / name.replace(" ", "-")
    small = sizes["hidden_size"] < 512
    num_steps, num_rounds = setting.choose((32 if small else 2, 3), (2, 1))
    with _side(setting, "ours") as ours, _side(setting, "padded") as padded:
        ours.call("make_bert", folder=str(folder), sizes=sizes, texts=document_data.draw_texts(64))
        opened = {
            side_name: side.call("open", model=str(folder), store=store, batch_size=BATCH_SIZE)
            for side_name, side in (("ours", ours), ("padded", padded))
        }
        runs = {"ours": _Run(ours, num_steps), "padded": _Run(padded, num_steps)}
        for side in (ours, padded):
            side.call("run", steps=[0])  # warms up; a round of its own would take minutes
        rates = alternate({key: run.next for key, run in runs.items()}, num_rounds, num_warmup_rounds=0)
    padding = {key: mean(run.padding) for key, run in runs.items()}
    say(f"  {name}: {rates}; padding {padding}")
    report.facts[name] = {"opened": opened, "tokens_per_s": rates, "padding": padding}
    report.ratios.append(
        compare(
            f"BERT, {name} / padding to 512", "tokens/s", rates["ours"], rates["padded"], TARGET, "at least",
            partial(_binds, rates, padding),
        )
    )  # fmt: skip


class _Run:
    """Rounds of a side, each on the steps that follow: the same ones on both sides."""

    def __init__(self, side: Side, num_steps: int) -> None:
        self._side, self._num_steps, self._start = side, num_steps, 0
        self.padding: list[float] = []

    def next(self) -> float:
        steps = np.arange(self._start, self._start + self._num_steps).tolist()
        self._start += self._num_steps
        answer = self._side.call("run", steps=steps)
        self.padding.append(answer["padding"])
        return float(answer["tokens_per_s"])


def _side(setting: Setting, kind: str) -> Side:
    log: Path = setting.work / f"documents-text-{kind}.log"
    return Side("benchmarks.documents_text.sides", (kind,), log=log)


def _binds(rates: dict[str, list[float]], padding: dict[str, float]) -> str:
    return (
        f"padding {padding['ours']:.0%} against {padding['padded']:.0%}: without any, the ratio of places would be "
        f"{1 / (1 - padding['padded']):.2f}; {median(rates['ours']):.0f} tokens/s"
    )
