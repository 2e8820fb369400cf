"""The learning rate as a pure function of the step."""

import math

from app.experiment import ScheduleConfig


def learning_rate_factor(schedule: ScheduleConfig, step: float, num_steps: int) -> float:
    """Factor on the peak learning rate at step `step` (from 0; between two where the batch has changed) of `num_steps`.

    A linear warm-up over `warmup_share` of all steps, then constant; half a cosine (Loshchilov and Hutter, ICLR 2017);
    or a polynomial (Chen et al., DeepLab, TPAMI 2018), both ending at zero just after the last step; or the slanted
    triangle (Howard and Ruder, ACL 2018), whose cut is `warmup_share` and whose ends are 1 / `ratio`.
    """
    num_warmup = round(schedule.warmup_share * num_steps)
    if schedule.name == "slanted-triangular":
        return _slanted_triangle(step, num_warmup, num_steps, schedule.ratio)
    if step < num_warmup:
        return (step + 1) / num_warmup
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    return float(max(0.0, 1.0 - progress) ** schedule.power)


def _slanted_triangle(step: float, cut: int, num_steps: int, ratio: float) -> float:
    share = step / cut if step < cut else 1 - (step - cut) / max(1, num_steps - cut)
    return (1 + max(0.0, share) * (ratio - 1)) / ratio
