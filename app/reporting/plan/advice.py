"""What a plan's times take for granted, and what lost workers and jobs of limited time would cost it."""

from collections.abc import Sequence
from statistics import fmean

from app.planning.beside import HeadStart
from app.planning.forecast import Forecast, start_of_command_s
from app.planning.interruptions import checkpoint_interval_s, jobs_of, lost_by_failures_s
from app.planning.play import Going, Plays
from app.planning.profile import Profile
from app.planning.stopping import stops_early
from app.reporting.page.formatting import duration, plural


def told(plays: Plays) -> list[str]:
    """What the times take of the study's scheduler and search."""
    scheduler, lines = plays.study.scheduler, []
    if stops_early(scheduler) and scheduler is not None:
        lines.append(
            f"{scheduler.name}, which stops trials early: times are means over plays of its rule with invented scores"
        )
    if plays.rounds:
        lines.append(f"pbt, in {plural(len(plays.rounds), 'round')}: after each, all members wait for the slowest")
    line = plays.space.line()
    lines += [line] if line is not None else []
    if scheduler is not None and scheduler.widen:
        lines.append("the last trials get the workers that are free, where that pays")
    return lines


def beside_lines(starts: Sequence[HeadStart], cores: int) -> list[str]:
    """Whether work on free CPUs ends before the trainings that wait for it begin."""
    lines = []
    for one in starts:
        on = f"{one.name}: done after {duration(one.takes_s)} on {plural(cores, 'core')} that training leaves free"
        needed = f"trainings that wait for it begin {duration(one.needed_s)} after the study's start, at the earliest"
        when = "start both together" if one.before_s == 0 else f"start it {duration(one.before_s)} before the study"
        lines.append(f"{on}; {needed}: {when}")
    return lines


def checkpoint_line(profile: Profile, plays: Plays, chosen: Forecast, failures_per_day: float) -> str:
    """What failures cost where workers are lost so often, and how often to write a checkpoint."""
    most = max(stage.workers_per_trial for stage in chosen.plan.stages)
    checkpoint_s = max(0.001, fmean(sample.checkpoint_s for sample in profile.samples))
    per_s, (every_s, restart_s) = failures_per_day / 86_400, _interrupted(plays, chosen)
    interval_s = checkpoint_interval_s(checkpoint_s, most * per_s)
    lost_s = lost_by_failures_s(chosen.plan_s, most, per_s, every_s, restart_s)
    return (
        f"checkpoints: one takes {checkpoint_s:.2g} s, a trial on {plural(most, 'worker')} loses one every "
        f"{duration(86_400 / failures_per_day / most)}: checkpoint_every_s {interval_s:.0f} costs least (Young 1974); "
        f"with {every_s:.0f}, as the study has it, failures cost {duration(lost_s)} of {duration(chosen.plan_s)}"
    )


def jobs_line(plays: Plays, chosen: Forecast, limit_h: float) -> str:
    """How many jobs of limited time the study takes."""
    every_s, restart_s = _interrupted(plays, chosen)
    jobs = jobs_of(chosen.plan_s, limit_h * 3600, every_s, restart_s)
    each = f"; each but the first starts in {duration(restart_s)} and does {duration(every_s / 2)} again on average"
    took = f"{plural(jobs.number, 'job')} of at most {duration(limit_h * 3600)}, {duration(jobs.total_s)} in all"
    return f"{took}{each if jobs.number > 1 else ''}"


def _interrupted(plays: Plays, chosen: Forecast) -> tuple[float, float]:
    """Seconds between two checkpoints, and until trainings have resumed after a start of the command."""
    first = chosen.plan.stages[0]
    k, c = first.workers_per_trial, first.concurrent_trials
    lane_s = Going(plays, plays.model, plays.typical()).cost(first.trials[0], k, c).lane_s
    start_s = start_of_command_s(plays.model, k, c, ())
    return max(one.checkpoint_every_s for one in plays.study.experiments), start_s + lane_s
