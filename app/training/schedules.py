"""The learning rate as a pure function of the step."""

import math

from app.experiment import ScheduleConfig


def learning_rate_factor(schedule: ScheduleConfig, step: int, num_steps: int) -> float:
    """Factor on the peak learning rate at step `step` (from 0) of `num_steps`.

    A linear warm-up over `warmup_share` of all steps, then constant; half a cosine (Loshchilov and Hutter, ICLR 2017);
    or a polynomial (Chen et al., DeepLab, TPAMI 2018), both ending at zero just after the last step.
    """
    num_warmup = round(schedule.warmup_share * num_steps)
    if step < num_warmup:
        return (step + 1) / num_warmup
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    return float(max(0.0, 1.0 - progress) ** schedule.power)
