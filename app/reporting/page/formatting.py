"""Numbers, times and names as a reader of a report wants them."""

import math
from collections.abc import Iterable, Mapping

from app.records import Timings

MISSING = "–"
"""What is not known, or not defined for a case."""

REGIONS: Mapping[str, str] = {
    "WT": "whole tumour",
    "TC": "tumour core",
    "ET": "enhancing tumour",
    "whole": "whole tumour",
}
FAMILIES: Mapping[str, str] = {
    "dice": "Dice",
    "hd95_mm": "HD95 (mm)",
    "accuracy": "Accuracy",
    "cross_entropy": "Cross-entropy",
}
"""Names of scores in words: `dice_WT` is a family and a region. A score that is not here is shown by its own name."""

EXPLANATIONS: Mapping[str, str] = {
    "dice": "Dice is the overlap of prediction and truth, from 0 (none) to 1 (identical).",
    "hd95_mm": "HD95 is the distance in mm that 95 % of the boundary stays within (smaller is better).",
}
"""How families of scores are named."""

SPLITS: Mapping[str, str] = {"train": "training"}
"""In words, where the name is not a word already."""

PHASES: tuple[tuple[str, str, str], ...] = (
    ("startup_s", "Start-up", "Processes, imports, network, choice of numerics, resuming"),
    ("first_batch_s", "First batch", "Waiting for the first samples after everything else was ready"),
    ("data_wait_s", "Waiting for data", "Before every later step"),
    ("warmup_steps_s", "Warm-up steps", "The first steps; left out of every rate"),
    ("step_s", "Training steps", "Forward, backward, exchange of gradients, update"),
    ("evaluation_s", "Evaluation", "Validation during the training"),
    ("checkpoint_s", "Checkpoints", "Writing the state to disk"),
    ("other_s", "Other", "Logging, and what no other phase names"),
    ("lost_s", "Lost", "In attempts that ended early, after their last checkpoint; done again"),
)
"""Field of Timings, name, meaning."""


def phases(timings: Timings) -> list[tuple[int, str, str, float]]:
    """Number, name, meaning and seconds; nothing is said of losses where there are none."""
    found = [(number, name, meaning, getattr(timings, key)) for number, (key, name, meaning) in enumerate(PHASES, 1)]
    return found if timings.lost_s else found[:-1]


def family(key: str) -> str:
    """`dice` of `dice_WT`; the key itself when it belongs to none."""
    return next((name for name in FAMILIES if key == name or key.startswith(f"{name}_")), key)


def score_name(key: str) -> str:
    """`Dice, whole tumour` of `dice_WT`; the mean over the regions has the family's name alone."""
    name, region = family(key), key[len(family(key)) + 1 :]
    if name not in FAMILIES:
        return key
    if name == "dice" and not region:
        return "Dice over the regions"
    return f"{FAMILIES[name]}, {REGIONS.get(region, region)}" if region else FAMILIES[name]


def short_name(key: str) -> str:
    """For the ends of lines: `WT` of `dice_WT`, `mean` of `dice` (the mean over the regions)."""
    return (key[len("dice_") :] or "mean") if family(key) == "dice" else key


def column_name(key: str) -> str:
    """For heads of tables with many columns: `Dice ET` of `dice_ET`; `explain_regions` says what ET is."""
    name, region = family(key), key[len(family(key)) + 1 :]
    return f"{FAMILIES[name]} {region}".strip() if name in FAMILIES else key


def explain_regions(keys: Iterable[str]) -> str:
    """`ET enhancing tumour, ...`: the abbreviations in these scores' names; empty when there are none."""
    found = dict.fromkeys(key[len(family(key)) + 1 :] for key in keys if family(key) in FAMILIES)
    return ", ".join(f"{region} {REGIONS[region]}" for region in found if region in REGIONS and region != "whole")


def main_first(keys: Iterable[str]) -> list[str]:
    """The scores with those over all regions before those of single regions."""
    return sorted(
        keys, key=lambda key: (list(FAMILIES).index(family(key)) if family(key) in FAMILIES else 99, "_" in key)
    )


def split_name(split: str) -> str:
    return SPLITS.get(split, split)


def number(value: float | None, key: str = "") -> str:
    """A score: distances with one digit after the point, everything else with three."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞"
    return f"{value:.1f}" if family(key) == "hd95_mm" else f"{value:.3f}"


def significant(value: float | None, digits: int = 3) -> str:
    """A quantity of any size; thousands are grouped."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 6)}f}"


def percent(share: float | None) -> str:
    if share is None:
        return MISSING
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(num_bytes: float) -> str:
    """Bytes in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.0f} {unit}" if unit in ("B", "KiB") else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:.1f} TiB"


def device(name: str) -> str:
    return name.upper() if name == "cpu" else name


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def binding_limit(limit: str, timings: Timings) -> str:
    """What took most of the time, how much, and what would shorten it."""
    total_s = timings.total_s or 1.0
    step_s, data_s = timings.step_s + timings.warmup_steps_s, timings.data_wait_s + timings.first_batch_s
    texts = {
        "compute": f"Bottleneck: compute. {percent(step_s / total_s)} of the time went into training steps. "
        "More or faster workers would shorten it.",
        "data": f"Bottleneck: data. {percent(data_s / total_s)} of the time went into waiting for "
        "samples. More CPU cores for reading, or a store nearer to the workers, would shorten it.",
        "evaluation": f"Bottleneck: evaluation. {percent(timings.evaluation_s / total_s)} of the time went into "
        "validation. A larger evaluate_every_epochs would shorten it.",
        "start-up": f"Bottleneck: start-up. {percent(timings.startup_s / total_s)} of the time passed before the first "
        "step. It does not grow with the training: longer trainings hide it.",
    }
    return texts.get(limit, f"Bottleneck: {limit}.")
