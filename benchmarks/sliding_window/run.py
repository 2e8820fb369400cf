"""Seconds to segment a whole volume: ours against MONAI's default call on the same weights, windows and overlap.

MONAI gets the whole volume, already normalised, and the network out of torch's own layers; we get the stored box and
normalise it within the time. Both labels are scored against the truth: windows lie elsewhere, and instance norm sees
less empty space in ours, so the labels differ (how much is in the facts).
"""

from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks import data
from benchmarks.common import Report, Setting, compare, load_average, say
from benchmarks.side import Side

TARGET = 0.4
QUALITY_TARGET = 0.99
"""Smallest ratio of Dice against the truth: the speed must not be bought with quality."""
OVERLAP = 0.5
SW_BATCH_SIZES = (1, 4)
"""Batch sizes in MONAI's tutorials (BraTS, spleen); the faster one counts."""


def run(setting: Setting) -> Report:
    found = data.make(setting)
    checkpoint = trained_weights(setting, found)
    cases = data.held_out(found)[: setting.choose(3, 1)]
    with (
        Side(
            "benchmarks.sliding_window.sides", ("ours", str(found.store)), log=setting.work / "window-ours.log"
        ) as ours,
        Side(
            "benchmarks.sliding_window.sides", ("monai", str(found.store)), log=setting.work / "window-monai.log"
        ) as monai,
    ):
        opened = ours.call("open", checkpoint=str(checkpoint))
        monai.call("open", checkpoint=str(checkpoint))
        rounds = _measure(setting, cases, ours, monai)
    taken = {name: [answer["seconds"] for answer in rounds[name]] for name in ("ours", "monai")}
    dice = {name: [fmean(answer["dice"]) for answer in rounds[name]] for name in ("ours", "monai")}
    return Report(
        "sliding_window",
        ratios=[
            compare(
                "sliding window / MONAI default", "s a volume", taken["ours"], taken["monai"],
                TARGET, "at most", lambda: _what_binds(rounds),
            ),
            compare(
                "sliding window: Dice / MONAI's", "Dice against the truth", dice["ours"],
                [max(value, 1e-6) for value in dice["monai"]], QUALITY_TARGET, "at least",
            ),
        ],
        facts={
            "rounds": rounds,
            "network": opened,
            "weights": str(checkpoint.relative_to(setting.work)),
            "overlap": OVERLAP,
            "shape_xyz": found.shape,
            "load_average": load_average(),
        },
    )  # fmt: skip


def trained_weights(setting: Setting, found: data.Data) -> Path:
    """Weights that find tumours: of the benchmark `quality` where it has run, else of a short training; made once."""
    from_quality = setting.work / "quality" / "ours" / "checkpoint" / "best.pt"
    if from_quality.exists():
        return from_quality
    runs, name = setting.work / "weights", "unet3d"
    patch = [str(setting.choose(96, 64))] * 3
    epochs = str(setting.choose(4, 2))
    checkpoint = runs / name / "checkpoint" / "best.pt"
    if not checkpoint.exists():
        say("training the weights that both sides use")
        data.run_job(
            "train.py", "brats", "--store", str(found.store), "--runs", str(runs), "--name", name,
            "--launcher", "local", "--epochs", epochs, "--evaluate-every-epochs", epochs,
            "--task.patch-size", *patch, *data.fixed_numerics(),
        )  # fmt: skip
    return checkpoint


def _measure(setting: Setting, cases: list[str], ours: Side, monai: Side) -> dict[str, list[dict[str, Any]]]:
    """The first case once more at the beginning, to warm up and to find MONAI's better batch size."""
    results = {name: str(setting.work / f"window-{name}.npy") for name in ("ours", "monai")}
    options: dict[str, Any] = {"overlap": OVERLAP, "sw_batch_size": 1}
    ours.call("segment", case_id=cases[0], result=results["ours"], **options)
    tried = {
        size: monai.call("segment", case_id=cases[0], result=results["monai"], overlap=OVERLAP, sw_batch_size=size)
        for size in SW_BATCH_SIZES
    }
    options["sw_batch_size"] = min(tried, key=lambda size: float(tried[size]["seconds"]))
    rounds: dict[str, list[dict[str, Any]]] = {"ours": [], "monai": [], "agreement": []}
    for case in cases:
        for name, side in (("ours", ours), ("monai", monai)):
            answer = side.call("segment", case_id=case, result=results[name], **options)
            rounds[name].append({"case": case, **options, **answer})
        rounds["agreement"].append(ours.call("compare_labels", first=results["ours"], second=results["monai"]))
        say(f"  {case}: ours {rounds['ours'][-1]}, MONAI {rounds['monai'][-1]}, {rounds['agreement'][-1]}")
    return rounds


def _what_binds(rounds: dict[str, list[dict[str, Any]]]) -> str:
    parts = []
    for name in ("ours", "monai"):
        windows = median(answer["num_windows"] for answer in rounds[name])
        window_s = median(answer["seconds"] / answer["num_windows"] for answer in rounds[name])
        parts.append(f"{name}: {windows:.0f} windows of {window_s:.2f} s each, all included")
    return "; ".join(parts) + "; the windows that hold brain, at the speed of this CPU's convolutions, are what is left"
