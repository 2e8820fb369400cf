"""What a training needs of memory, by what was measured, and how many have room beside each other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.experiment import Experiment
from app.planning.profile import Profile, Sample, group_of

USABLE = 0.9
"""Share of a host's memory that its workers may take (assumed): the rest is Ray's and the system's."""
GIB = 2**30


@dataclass(frozen=True)
class Room:
    """How many trials may run at a time, by their workers, where memory allows fewer than the workers do."""

    places: Mapping[int, int]
    lacking: Mapping[int, str]
    """Why so many workers a trial do not fit at all."""

    def lines(self) -> list[str]:
        found = {**self.lacking, **{k: f"{most} at a time, more do not fit" for k, most in self.places.items()}}
        return [f"{k} worker{'s' if k > 1 else ''} a trial: {why}" for k, why in found.items()]


def room_for(experiments: Iterable[Experiment], profile: Profile, num_workers: int, widths: Sequence[int]) -> Room:
    """What fits on so many workers; a profile that knows nothing of memory forbids nothing but what failed."""
    by_group: dict[str, list[Sample]] = {}
    for sample in profile.samples:
        for group in sample.groups:
            by_group.setdefault(group, []).append(sample)
    failed = {(one.group, one.workers): one.reason for one in profile.failed}
    places: dict[int, int] = {}
    lacking: dict[int, str] = {}
    for experiment in {group_of(e): e for e in reversed([*experiments])}.values():  # the first of each
        group = group_of(experiment)
        for k in widths:
            if (group, k) in failed:
                lacking.setdefault(k, f"{experiment.name} failed when it was measured: {failed[group, k]}")
                continue
            if not (known := [s for s in by_group.get(group, ()) if s.memory_bytes and s.memory_limit_bytes]):
                continue
            needed = needed_bytes(known, k, experiment.global_batch_size(k))
            most = _most(known[0], needed, k, num_workers, profile)
            if most < 1:
                lacking.setdefault(k, _told(experiment, known, needed, k, profile))
            elif most < num_workers // k:
                places[k] = min(most, places.get(k, most))
    return Room({k: most for k, most in sorted(places.items()) if k not in lacking}, dict(sorted(lacking.items())))


def needed_bytes(samples: Sequence[Sample], k: int, batch: int) -> float:
    """Memory of one worker of k: the most that was measured; else on the line of the two nearest numbers of workers
    over the samples that each has at a time; of one alone in proportion to these, or as much where they are fewer."""
    most: dict[int, tuple[float, int]] = {}
    for s in samples:
        local = s.global_batch_size / s.workers
        most[s.workers] = local, max(s.memory_bytes, most.get(s.workers, (local, 0))[1])
    if k in most:
        return most[k][1]
    near = sorted(most, key=lambda w: abs(math.log(w / k)))[:2]
    (x, y), (other_x, other_y) = most[near[0]], most[near[-1]]
    local = batch / k
    slope = max(0.0, (other_y - y) / (other_x - x)) if other_x != x else (y / x if local > x else 0.0)
    return max(0.0, y + slope * (local - x))


def _most(known: Sample, needed: float, k: int, num_workers: int, profile: Profile) -> int:
    """Trials at a time. GPUs have their own memory each, the workers of a host share its."""
    if profile.setting.device != "cpu":
        return num_workers // k if needed <= known.memory_limit_bytes else 0
    on_node = min(num_workers, profile.workers_on_node or profile.setting.num_cores)
    fitting = min(on_node, int(USABLE * known.memory_limit_bytes / max(1.0, needed)))
    if k > on_node:
        return num_workers // k if fitting == on_node else 0
    return num_workers // on_node * (fitting // k)


def _told(experiment: Experiment, known: Sequence[Sample], needed: float, k: int, profile: Profile) -> str:
    how = "" if any(s.workers == k for s in known) else ", by what fewer or more workers needed"
    limit = known[0].memory_limit_bytes / GIB
    share = limit
    if profile.setting.device == "cpu":
        share *= USABLE / min(k, profile.workers_on_node or profile.setting.num_cores)
    return (
        f"{experiment.name} needs {needed / GIB:.1f} GiB a worker{how}; expected at most {share:.1f} of the "
        f"{limit:.1f} GiB that there are"
    )
