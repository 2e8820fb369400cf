"""How many trials run at a time as hosts and places come and go."""

from app.execution.cluster.connection import Sight
from app.execution.cluster.nodes import Nodes
from app.experiment import Experiment, Study
from app.planning.plan import plan_of_strategy


def test_a_place_that_was_lost_counts_again_once_the_cluster_is_another() -> None:
    study = Study("s", tuple(Experiment(name=name, workload="w") for name in "abcd"))
    plan = plan_of_strategy(study, "experiment-parallel", 4)
    (stage,) = plan.stages
    slots = [4, 4, 2, 4]
    nodes = Nodes(plan, lambda _: [], lambda: Sight({"n": "host"}, slots.pop(0)))
    nodes.changes([], stage)
    nodes.lose_place(stage, num_live=4)  # there never was more room
    assert nodes.num_places(stage) == 4
    nodes.lose_place(stage, num_live=3)
    seen = [nodes.num_places(stage)]
    for _ in range(3):
        nodes.changes([], stage)
        seen.append(nodes.num_places(stage))
    assert seen == [3, 3, 2, 4]
