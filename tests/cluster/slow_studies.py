"""Studies whose trials take as long as they are told to, on the cluster and at home, and what is read of them."""

import json
import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from cluster_hosts import ROOT, SHARED, Begun, Hosts

NUM_EPOCHS = 60
STEPS_PER_EPOCH = 3
"""Of the toy workload's 12 rows in batches of 4."""
JOBS = "http://localhost:8265"
SOURCES = (ROOT / "tests" / "unit" / "training" / "toy.py", ROOT / "tests" / "cluster" / "slow.py")


def put_workload(hosts: Hosts) -> None:
    """At the top of the client's folder, which is sent with each job."""
    project = hosts.state / "client" / "home" / "twofold"
    for source in SOURCES:
        (project / source.name).write_text(source.read_text())
    (hosts.shared / "any").mkdir(exist_ok=True)  # a store, of which the workload needs nothing


def put_study(hosts: Hosts, name: str, num_trials: int, step_s: float) -> None:
    options = {"workload": "slow:SlowWorkload", "epochs": NUM_EPOCHS, "batch_size": 4, "task": {"step_s": step_s}}
    numerics = {"precision": "fp32", "channels_last": "no"}
    trials = [{"name": f"t{seed}", "seed": seed, **options, **numerics} for seed in range(num_trials)]
    (hosts.shared / f"{name}.json").write_text(json.dumps({"name": name, "experiments": trials}))


def study_command(name: str, strategy: str = "experiment-parallel", workers: int = 4, **places: str) -> str:
    study, store, runs = (
        places.get(key, f"{SHARED}/{usual}")
        for key, usual in {"study": f"{name}.json", "store": "any", "runs": "runs"}.items()
    )
    flags = ["--study", study, "--store", store, "--runs", runs, "--name", name]
    return shlex.join(["python", "jobs/study.py", *flags, "--strategy", strategy, "--workers", str(workers)])


def submitted(hosts: Hosts, command: str) -> AbstractContextManager[Begun]:
    return hosts.begun("client", f"python jobs/submit.py --address {JOBS} -- {command}")


def at_home(hosts: Hosts, name: str, num_trials: int) -> list[list[float]]:
    """The losses of the same trials on the client alone, without waiting at each step."""
    put_study(hosts, name, num_trials, 0.0)
    command = study_command(name, workers=1)
    hosts.must("client", f"RAY_AUTH_MODE=disabled PYTHONPATH=. {command}", 400)
    return [losses(hosts, name, f"t{seed}") for seed in range(num_trials)]


def trial_folder(hosts: Hosts, study: str, trial: str) -> Path:
    return hosts.shared / "runs" / study / "trials" / trial


def lines_of(path: Path) -> list[Any]:
    """Whole lines of a file that is perhaps being written."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def losses(hosts: Hosts, study: str, trial: str) -> list[float]:
    """Of each step; where steps were done again, the last time counts."""
    by_step = {line["step"]: line["loss"] for line in lines_of(trial_folder(hosts, study, trial) / "steps.jsonl")}
    return [by_step[step] for step in sorted(by_step)]


def num_epochs(hosts: Hosts, study: str, trial: str) -> int:
    return len(lines_of(trial_folder(hosts, study, trial) / "metrics.jsonl"))


def attempts(hosts: Hosts, study: str, trial: str) -> list[Any]:
    return lines_of(trial_folder(hosts, study, trial) / "attempts.jsonl")


def finished(hosts: Hosts, study: str) -> dict[str, bytes]:
    """The records of the trials that are."""
    found = (hosts.shared / "runs" / study / "trials").glob("*/record.json")
    return {path.parent.name: path.read_bytes() for path in found}


def study_record(hosts: Hosts, study: str) -> Any:
    return json.loads((hosts.shared / "runs" / study / "record.json").read_text())
