"""Connecting to Ray: the cluster there is, or a local one; and whether what is asked for fits into it."""

import logging
import os
import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray._common.utils import get_ray_address_file

from app.console import say
from app.errors import ResourceError
from app.execution.cluster import own_ray
from app.execution.cluster.on_demand import ask_for_gpus
from app.execution.cluster.submit import TOKEN_ADVICE
from app.machine import num_cores
from app.planning.plan import Plan
from app.records import WorkerKind
from app.reporting.page.formatting import plural
from app.stopping import listen_again
from app.strict_json import whole_number
from app.training.order import Feeding

SPARE_CPUS = 2
"""Logical CPUs that a local Ray gets beyond the workers: training must never hold every CPU, or Ray Data's tasks wait
forever (measured). They are a count, not a core."""
REACH_S = 10.0
"""Assumed: what takes no connection within that is not there."""
CORE = "core"
"""The resource by which a local Ray notes how many cores this machine has."""
WAIT_FOR_RESOURCES_S = 45.0
"""How long another job may take to free what is asked for before this one gives up; a minute in all, with start-up."""


def default_feeding(use_gpu: bool, num_workers: int = 2) -> Feeding:
    """Ray Data feeds GPUs and the workers of a TorchTrainer; a Tune actor that trains on a CPU of its own reads for
    itself."""
    return "ray" if use_gpu or num_workers > 1 else "worker"


@dataclass(frozen=True)
class Slots:
    """What training workers can hold: GPUs where the cluster has any, else CPU cores."""

    kind: str
    total: int


def connect(num_workers: int) -> Slots:
    """Join the cluster of RAY_ADDRESS (set by `ray job submit`), or start Ray in this process.

    Raises:
        ResourceError: no cluster answers there, or it has fewer slots than `num_workers`.
    """
    if not ray.is_initialized():
        if os.environ.get("RAY_ADDRESS"):
            _join(os.environ["RAY_ADDRESS"])
        else:
            if head := find_head():
                say(f"the Ray at {head} is not used, but one of this job's own; with RAY_ADDRESS={head} it is")
            start_local(num_workers + SPARE_CPUS)
    listen_again()  # after Ray, whose own handler of SIGTERM prints a trace of C++
    _keep_quiet()
    ask_for_gpus(num_workers)
    slots = count_slots()
    if num_workers > slots.total:
        raise ResourceError(
            f"{num_workers} workers asked for, but the cluster has {slots.total} {slots.kind}s: "
            f"use --workers {slots.total} or fewer, or a larger cluster"
        )
    return slots


def _keep_quiet() -> None:
    """Ray's nodes tell drivers what no user can act on: how many processes they started, that one died, and of a lost
    host the last 20 lines of its log in C++. What it means for the job the job says."""
    from ray._private import worker

    worker._worker_logs_enabled = False  # what its debugger sets, too; the only switch that errors of nodes heed


def _join(address: str) -> None:
    """Raises ResourceError: no Ray answers there, or it wants another token."""
    try:
        if address != "auto" and "://" not in address:
            _reach(address)  # Ray itself would try for minutes
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except ray.exceptions.AuthenticationError as error:
        raise ResourceError(f"the Ray at {address} (RAY_ADDRESS) wants a token: {TOKEN_ADVICE}") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ResourceError(
            f"no Ray answers at {address} (RAY_ADDRESS): {error}; start one (`ray start --head`), correct the "
            "address, or unset it to use this machine"
        ) from error


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not 0 < (whole_number(port) or 0) < 2**16:
        raise ValueError("expected HOST:PORT")
    socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()


def find_head() -> str | None:
    """The address of a Ray that was started on this machine (`ray start --head`) and answers; a job's own is none."""
    try:
        address = Path(get_ray_address_file(None)).read_text().strip()
        _reach(address)
    except (OSError, ValueError):  # none was, or it is gone
        return None
    return address


def start_local(num_logical_cpus: int) -> None:
    """A Ray of this process alone, with so many CPUs or, if those are more, all cores and SPARE_CPUS."""
    cores = num_cores()
    own_ray.start(num_cpus=max(num_logical_cpus, cores + SPARE_CPUS), resources={CORE: cores})


def count_slots() -> Slots:
    """GPUs, or the cores that local Ray noted at its start, or a cluster's CPUs less those reserved for data."""
    resources = ray.cluster_resources()
    if resources.get("GPU"):
        return Slots("GPU", int(resources["GPU"]))
    if CORE in resources:
        return Slots("CPU core", int(resources[CORE]))
    return Slots("CPU", max(0, int(resources.get("CPU", 0)) - SPARE_CPUS))


def is_local() -> bool:
    """A Ray of `start_local`, which no host joins."""
    return CORE in ray.cluster_resources()


def worker_kind(slots: Slots) -> WorkerKind:
    return "GPU" if slots.kind == "GPU" else "CPU"


def check_room(plan: Plan, per_worker: Mapping[str, float], ray_reads: bool) -> None:
    """Return once all that the plan ever holds at a time is free.

    Raises:
        ResourceError: the cluster will never have it, or it does not come free; says how it adds up.
    """
    num_workers, number = max((s.workers_per_trial * s.concurrent_trials, n) for n, s in enumerate(plan.stages))
    stage = plan.stages[number]
    workers = f"{stage.concurrent_trials} trials at a time x {stage.workers_per_trial} workers"
    check_workers(num_workers, per_worker, ray_reads, f"stage {number + 1} of the plan does not fit: {workers} need")


def check_workers(num_workers: int, per_worker: Mapping[str, float], ray_reads: bool, told: str) -> None:
    """Return once so many workers, and what reads for them, have room; raises ResourceError, whose text begins with
    `told`."""
    needed = resources_needed(num_workers, per_worker, ray_reads)
    lacking = missing(needed, num_workers, per_worker, ray.cluster_resources())
    if lacking:
        raise ResourceError(f"{told} {lacking}")
    wait_for(needed)


def resources_needed(num_workers: int, per_worker: Mapping[str, float], ray_reads: bool) -> dict[str, float]:
    """What the workers hold, and the CPUs with which Ray Data reads for them: were those all held, its tasks would wait
    forever, without a word."""
    needed = {name: amount * num_workers for name, amount in per_worker.items()}
    if ray_reads:
        needed["CPU"] = needed.get("CPU", 0.0) + SPARE_CPUS
    return needed


def missing(
    needed: Mapping[str, float], num_workers: int, per_worker: Mapping[str, float], there: Mapping[str, float]
) -> str | None:
    """How what is needed adds up to more than is `there`, and what to do; None: it fits."""
    if all(there.get(name, 0.0) >= amount for name, amount in needed.items()):
        return None
    sums = []
    for name, amount in needed.items():
        for_reading = amount - num_workers * per_worker.get(name, 0.0)
        reading = f" + {for_reading:g} for reading data" if for_reading else ""
        sums.append(f"{num_workers} x {per_worker.get(name, 0.0):g} {name}{reading} of {there.get(name, 0.0):g}")
    hint = ", or let each worker read for itself (--feeding worker)" if " + " in "".join(sums) else ""
    return f"{', '.join(sums)}; plan fewer workers{hint}"


@dataclass(frozen=True)
class Sight:
    """The cluster at one time."""

    hosts: Mapping[str, str]
    """Names of the nodes that are alive, by Ray's ids."""
    num_slots: int
    addresses: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Where Ray listens on each of them."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why nodes that are alive too get no work (app.execution.cluster.host_watch)."""


def look() -> Sight:
    alive = [node for node in ray.nodes() if node["Alive"]]
    hosts = {node["NodeID"]: _host(node) for node in alive}
    addresses = {node["NodeID"]: (node["NodeManagerAddress"], node["NodeManagerPort"]) for node in alive}
    return Sight(hosts, count_slots().total, addresses)


def num_slots_of(nodes: Collection[str]) -> int:
    """How many of all slots are theirs."""
    name = "GPU" if count_slots().kind == "GPU" else "CPU"
    return int(
        sum(node["Resources"].get(name, 0.0) for node in ray.nodes() if node["Alive"] and node["NodeID"] in nodes)
    )


def _host(node: Mapping[str, Any]) -> str:
    name, address = node["NodeManagerHostname"], node["NodeManagerAddress"]
    return str(name) if name == address else f"{name} ({address})"


def num_nodes() -> int:
    """Nodes that are alive and can hold a worker."""
    return max(1, sum(bool(node["Alive"] and node["Resources"].get("CPU")) for node in ray.nodes()))


def all_fit_on_single_nodes(workers_per_trial: int, concurrent_trials: int, per_worker: Mapping[str, float]) -> bool:
    """Whether each of the trials can have all its workers on one node."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    places = [min(int(node.get(name, 0.0) // amount) for name, amount in per_worker.items()) for node in nodes]
    return sum(place // workers_per_trial for place in places) >= concurrent_trials


def wait_for(needed: dict[str, float], wait_s: float = WAIT_FOR_RESOURCES_S) -> None:
    """Return once `needed` is free; what other jobs hold may take a while to come free.

    Raises:
        ResourceError: it is not free in time; says what is, and what the whole cluster has.
    """
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        free = ray.available_resources()
        missing = {name: amount for name, amount in needed.items() if free.get(name, 0.0) < amount}
        if not missing:
            return
        if time.monotonic() > deadline:
            wanted = ", ".join(
                f"{needed[name]:g} {name} ({free.get(name, 0):g} of {ray.cluster_resources().get(name, 0):g} free)"
                for name in missing
            )
            raise ResourceError(
                f"timed out after {wait_s:.0f} s waiting for {wanted}; stop other jobs or ask for fewer workers"
            )
        if not told:
            say(f"waiting for {' and '.join(plural(int(amount), name) for name, amount in missing.items())}")
            told = True
        time.sleep(0.5)
