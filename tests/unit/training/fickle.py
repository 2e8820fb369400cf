"""The toy workload in processes where each measurement of numerics prefers whatever chance has it."""

import random

from toy import ToyWorkload

from app.training import numerics


class FickleWorkload(ToyWorkload):
    name = "fickle"


def by_chance(*_: object) -> float:
    return random.random()


numerics._time = by_chance
