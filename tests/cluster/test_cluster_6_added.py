"""A machine that no one knew of when a study began takes part in it."""

import re

import pytest
from cluster_hosts import Hosts, until
from slow_studies import (
    NUM_EPOCHS,
    STEPS_PER_EPOCH,
    at_home,
    finished,
    losses,
    num_epochs,
    put_study,
    put_workload,
    study_command,
    submitted,
)

pytestmark = pytest.mark.timeout(900)

NUM_TRIALS = 12
STEP_S = 0.3
"""Trials of a minute: a machine is set up and started while the first four run."""


def test_a_study_uses_a_machine_that_is_added_while_it_runs(cluster: Hosts) -> None:
    put_workload(cluster)
    home = at_home(cluster, "few", NUM_TRIALS)
    assert [len(trial) for trial in home] == [NUM_EPOCHS * STEPS_PER_EPOCH] * NUM_TRIALS
    put_study(cluster, "added", NUM_TRIALS, STEP_S)
    with submitted(cluster, study_command("added")) as job:
        until(lambda: num_epochs(cluster, "added", "t0") >= 3, 180, job.told)
        name, address = cluster.add_machine()
        cluster.must("client", "python jobs/cluster.py up", 300)
        assert len(finished(cluster, "added")) < NUM_TRIALS - 4, "else nothing is left for it"
        until(lambda: f"host {name} ({address}) has joined" in job.told(), 120, job.told)
        assert job.ends(400) == 0, job.told()
        assert re.search(r"workers in all: 7; trials at a time: 7, until now 4", job.told()), job.told()
        assert re.search(rf"^t\d+: on host {name} \({address}\)$", job.told(), re.M), job.told()
        assert f"added: {NUM_TRIALS} of {NUM_TRIALS} trials finished" in job.told()
    assert [losses(cluster, "added", f"t{number}") for number in range(NUM_TRIALS)] == home
