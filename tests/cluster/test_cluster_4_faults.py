"""What becomes of studies when drivers, jobs, links and hosts fail under them: the results are those of a study that
nothing happened to, finished trials are left as they are, and what was lost is told."""

import re
from collections.abc import Iterator

import pytest
from cluster_hosts import WORKER, Begun, Hosts, until
from slow_studies import (
    JOBS,
    NUM_EPOCHS,
    STEPS_PER_EPOCH,
    at_home,
    attempts,
    finished,
    losses,
    num_epochs,
    put_study,
    put_workload,
    study_command,
    study_record,
    submitted,
)

pytestmark = pytest.mark.timeout(900)

NUM_TRIALS = 6
STEP_S = 0.15
"""Trials of half a minute."""
START_S = 180.0
"""How long a job may take to its first epochs, beside other work."""
TOLD_S = 1.0
"""What is lost less than this is not told."""
DRIVER = r"^\S*python\S* jobs/study.py"
TOLERANCE = 1e-5
"""Of losses of a trial on four workers: sums in another order."""


@pytest.fixture(scope="module")
def slow(cluster: Hosts) -> Hosts:
    put_workload(cluster)
    return cluster


@pytest.fixture
def worker_is_back(slow: Hosts) -> Iterator[None]:
    """Whatever the test did to the worker, those after it find the worker there."""
    yield
    if slow.run("worker1", "true").returncode:
        slow.script("boot", "worker1")
        slow.run("client", "python jobs/cluster.py up", 300)


@pytest.fixture(scope="module")
def home(slow: Hosts) -> list[list[float]]:
    """Losses of the trials when nothing happens to them."""
    found = at_home(slow, "undisturbed", NUM_TRIALS)
    assert [len(trial) for trial in found] == [NUM_EPOCHS * STEPS_PER_EPOCH] * NUM_TRIALS
    assert found[0] != found[1]
    return found


def in_the_middle(hosts: Hosts, job: Begun, study: str, *trials: str, at_least: int = 5) -> None:
    """Return once these trials have trained for a while."""
    until(lambda: all(num_epochs(hosts, study, trial) >= at_least for trial in trials), START_S, job.told)


def check_end(hosts: Hosts, job: Begun, study: str, home: list[list[float]], tolerance: float = 0.0) -> None:
    """The study has ended, with the losses that it has at home."""
    assert job.ends(400) == 0, job.told()
    assert f"{study}: {NUM_TRIALS} of {NUM_TRIALS} trials finished" in job.told()
    for number, alone in enumerate(home):
        assert losses(hosts, study, f"t{number}") == pytest.approx(alone, rel=0, abs=tolerance), f"t{number}"


def check_lost(hosts: Hosts, job: Begun, study: str, num: int) -> float | None:
    """The time that was lost stands in the record, and in the job's last lines; also the time without workers there."""
    lost_s = sum(trial["record"]["timings"]["lost_s"] for trial in study_record(hosts, study)["trials"])
    lost = r"(\d) trials? w(?:as|ere) interrupted: ([\d.]+) s of training were lost and done again(?:, and (\d+) s .*)?"
    found = re.findall(rf"^{study}: {lost}$", job.told(), re.M)
    if not found:  # which depends on how long ago the checkpoints were
        assert lost_s < TOLD_S, job.told()
        return None
    ((told, seconds, without),) = found
    assert int(told) == num and float(seconds) == pytest.approx(lost_s, abs=0.06)
    return float(without) if without else None


def test_a_study_whose_driver_is_killed_and_whose_job_is_stopped_goes_on(slow: Hosts, home: list[list[float]]) -> None:
    put_study(slow, "stops", NUM_TRIALS, STEP_S)
    command = study_command("stops")
    with submitted(slow, command) as job:
        until(lambda: len(finished(slow, "stops")) >= 2, START_S, job.told)
        in_the_middle(slow, job, "stops", "t4", at_least=3)
        slow.must("head", f"kill -KILL $(pgrep -f '{DRIVER}')")
        assert job.ends(120) not in (0, 130), job.told()
    done = finished(slow, "stops")
    num_before = num_epochs(slow, "stops", "t4")
    with submitted(slow, command) as job:
        in_the_middle(slow, job, "stops", "t4", at_least=num_before + 3)
        (name,) = re.findall(r"^(\S+): submitted", job.told(), re.M)
        slow.must("client", f"RAY_AUTH_MODE=token ray job stop --address {JOBS} {name}")
        assert job.ends(120) == 130, job.told()
        assert f"{len(done)} trials were already finished and are skipped" in job.told()
    with submitted(slow, command) as job:
        check_end(slow, job, "stops", home)
        assert check_lost(slow, job, "stops", NUM_TRIALS - len(done)) is None  # the workers were there at once
    assert {name: finished(slow, "stops")[name] for name in done} == done
    assert {len(attempts(slow, "stops", name)) for name in done} == {1}
    assert len(attempts(slow, "stops", "t4")) == 3


@pytest.mark.usefixtures("worker_is_back")
def test_a_study_goes_on_without_a_host_that_is_powered_off_and_with_it_once_it_is_back(
    slow: Hosts, home: list[list[float]]
) -> None:
    put_study(slow, "off", NUM_TRIALS, 2 * STEP_S)
    with submitted(slow, study_command("off")) as job:
        in_the_middle(slow, job, "off", "t0", "t1", "t2", "t3")
        there = re.findall(rf"^(t\d): on host \S+ \({WORKER}\)$", job.told(), re.M)
        assert there, job.told()
        slow.script("crash", "worker1")
        until(lambda: "no sign of host" in job.told(), 40, job.told)
        assert "is gone" not in job.told(), "said long before Ray gives it up"
        until(lambda: re.search(r"^host .* is gone", job.told(), re.M), 120, job.told)
        (silent,) = re.findall(r"^no sign of host (.*) for \d\d s, which has (.*): it may come back", job.told(), re.M)
        (gone,) = re.findall(
            r"^host (.*) is gone, and with it (.*): each resumes from its last "
            "checkpoint on another host",
            job.told(),
            re.M,
        )
        assert silent == gone == (f"worker1 ({WORKER})", ", ".join(there))
        assert "workers in all: 1; trials at a time: 1, until now 4" in job.told()
        slow.script("boot", "worker1")
        slow.must("client", "python jobs/cluster.py up", 300)
        until(lambda: f"host worker1 ({WORKER}) has joined" in job.told(), 60, job.told)
        assert "workers in all: 4; trials at a time: 4, until now 1" in job.told()
        check_end(slow, job, "off", home)
        without_s = check_lost(slow, job, "off", len(there))
        assert without_s is not None and 60 * len(there) < without_s < 200 * len(there)
    assert {name: len(attempts(slow, "off", name)) > 1 for name in finished(slow, "off")} == {
        f"t{number}": f"t{number}" in there for number in range(NUM_TRIALS)
    }


@pytest.mark.parametrize(("strategy", "tolerance"), [("experiment-parallel", 0.0), ("data-parallel", TOLERANCE)])
def test_a_study_outlives_a_link_that_is_cut_for_half_a_minute(
    slow: Hosts, home: list[list[float]], strategy: str, tolerance: float
) -> None:
    """Ray takes the host for dead only where docs/cluster.md says so: nothing was lost here."""
    name = f"cut-{strategy}"
    put_study(slow, name, NUM_TRIALS, 2 * STEP_S if strategy == "experiment-parallel" else STEP_S / 3)
    with submitted(slow, study_command(name, strategy)) as job:
        in_the_middle(slow, job, name, "t0")
        slow.script("cut", "worker1", "30")
        check_end(slow, job, name, home, tolerance)
        assert f"no sign of host worker1 ({WORKER})" in job.told()
        assert f"host worker1 ({WORKER}) answers again" in job.told()
    assert "is gone" not in job.told()
    assert {len(attempts(slow, name, trial)) for trial in finished(slow, name)} == {1}
