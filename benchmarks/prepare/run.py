"""Preparing raw cases: ours against nnU-Net's fingerprint and preprocessing, and against what nothing can avoid.

All sides run pinned to the same core, one case at a time, in turn; imports, start-up and a first case are left out.
"""

import shutil
from typing import Any

from app.machine import num_cores
from benchmarks import data
from benchmarks.common import Report, Setting, compare, load_average, say, seconds
from benchmarks.peers import nnunet
from benchmarks.side import ONE_THREAD, Side

PEER_TARGET = 1 / 6
LIMIT_TARGET = 1.5
NUM_CASES = 8
"""Measured; one more warms up. Those that nnU-Net's loader reads in the feeding benchmark."""
CORE = 0

Rounds = dict[str, list[dict[str, Any]]]


def run(setting: Setting) -> Report:
    found = data.make(setting)
    num_cases = setting.choose(NUM_CASES, 2)
    cases = list(found.case_ids[: num_cases + 1])
    store = setting.work / "prepare-store"
    shutil.rmtree(store, ignore_errors=True)
    ours_arguments = (str(found.source), str(store))
    peer_folder = nnunet_folder(setting)
    options: dict[str, Any] = {"core": CORE, "environment": ONE_THREAD, "log": setting.work / "nnunet-prepare.log"}
    with (
        Side("benchmarks.peers.nnunet_side", (str(peer_folder),), nnunet.python(), **options) as peer,
        Side("benchmarks.prepare.ours", ("ours", *ours_arguments), core=CORE, environment=ONE_THREAD) as ours,
        Side("benchmarks.prepare.ours", ("limit", *ours_arguments), core=CORE, environment=ONE_THREAD) as limit,
    ):
        say("nnU-Net: conversion, plan")
        conversion = peer.call("convert", source=str(found.source), cases=cases)
        plan = peer.call("plan")
        rounds = _measure(cases, peer, ours, limit)
        as_run_s = [peer.call("fingerprint", case=case, num_cases=num_cases)["seconds"] for case in cases[1:]]
        report = _report(rounds, lambda: _what_binds(rounds, ours.call("profile", case=cases[1])["shares"]))
    report.facts |= {
        "num_cases": num_cases,
        "shape_xyz": found.shape,
        "nnunet_plan": plan,
        "nnunet_conversion_s_not_counted": conversion["seconds"],
        "nnunet_fingerprint_s_with_the_samples_of_few_cases": as_run_s,
        "whole_job": _whole_job(setting, found),
        "load_average": load_average(),
    }
    report.versions["nnunetv2"] = nnunet.version()
    return report


def nnunet_folder(setting: Setting) -> Any:
    """Where nnU-Net's copies of the cases are; the feeding benchmark reads them too."""
    return setting.work / f"nnunet-{setting.choose('full', 'quick')}"


def _measure(cases: list[str], peer: Side, ours: Side, limit: Side) -> Rounds:
    """One round a case, the first not kept."""
    rounds: Rounds = {"fingerprint": [], "preprocess": [], "ours": [], "limit": []}
    for index, case in enumerate(cases):
        answers = {
            "fingerprint": peer.call("fingerprint", case=case),
            "preprocess": peer.call("preprocess", case=case),
            "ours": ours.call("prepare", case=case),
            "limit": limit.call("limit", case=case),
        }
        say(f"  {case}: " + "  ".join(f"{name} {answer['seconds']:.3f} s" for name, answer in answers.items()))
        if index > 0:
            for name, answer in answers.items():
                rounds[name].append(answer)
    return rounds


def _report(rounds: Rounds, what_binds: Any) -> Report:
    taken = {name: [answer["seconds"] for answer in answers] for name, answers in rounds.items()}
    peer_s = [a + b for a, b in zip(taken["fingerprint"], taken["preprocess"], strict=True)]
    unit = "s a case a core"
    return Report(
        "prepare",
        ratios=[
            compare("prepare / nnU-Net", unit, taken["ours"], peer_s, PEER_TARGET, "at most", what_binds),
            compare(
                "prepare / unavoidable parts", unit, taken["ours"], taken["limit"], LIMIT_TARGET, "at most", what_binds
            ),
        ],
        facts={"rounds": rounds},
    )


def _what_binds(rounds: Rounds, shares: list[tuple[str, float]]) -> str:
    mean = {key: sum(r[key] for r in rounds["limit"]) / len(rounds["limit"]) for key in ("inflate_s", "compress_s")}
    parts = ", ".join(f"{name} {share:.0%}" for name, share in shares)
    return (
        f"unavoidable: inflating {mean['inflate_s']:.3f} s and compressing {mean['compress_s']:.3f} s a case; "
        f"time by function (profiled): {parts}"
    )


def _whole_job(setting: Setting, found: data.Data) -> dict[str, Any]:
    """jobs/prepare.py as a user starts it: Ray's start-up, all cores, all cases."""
    store = setting.work / "prepare-whole-job"
    shutil.rmtree(store, ignore_errors=True)
    taken_s = seconds(lambda: data.run_job("prepare.py", "brats", "--source", str(found.source), "--store", str(store)))
    shutil.rmtree(store)
    return {"seconds": taken_s, "num_cases": len(found.case_ids), "num_cores": num_cores()}
