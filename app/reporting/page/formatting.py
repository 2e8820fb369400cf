"""Numbers, times and names as a reader of a report wants them."""

import math
from collections.abc import Mapping

from app.records import Timings

MISSING = "–"
"""What is not known, or not defined for a case."""

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


def split_name(split: str) -> str:
    return SPLITS.get(split, split)


def number(value: float | None) -> str:
    """With three digits after the point."""
    if value is None or math.isnan(value):
        return MISSING
    return "∞" if math.isinf(value) else f"{value:.3f}"


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
