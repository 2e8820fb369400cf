"""A run made by hand: every number in it is known, so a report's numbers can be checked against it."""

import json
import struct
import zlib

from app.records import Timings, TrialRecord
from app.run_folder.run import RECORD
from app.workloads.brats.declaration import BRATS

NUM_EPOCHS = 12

TIMINGS = Timings(
    startup_s=18.0,
    first_batch_s=2.0,
    data_wait_s=1.5,
    warmup_steps_s=6.0,
    step_s=148.5,
    evaluation_s=20.0,
    checkpoint_s=3.0,
    other_s=1.0,
    total_s=200.0,
    num_warmup_steps=3,
    num_timed_steps=99,
)

CASES_CSV = """case,dice_WT,dice_TC,dice_ET,hd95_mm_WT
CASE_001,0.91,0.82,0.73,2.5
CASE_002,0.87,0.74,,4.5
CASE_003,0.95,0.88,0.81,1.25
"""


def finished_run() -> dict[str, bytes]:
    """Files of a finished training with its test evaluation, by their names in the run's folder."""
    files = {
        "config.json": json.dumps(experiment()),
        "metrics.jsonl": "".join(json.dumps(epoch(n)) + "\n" for n in range(1, NUM_EPOCHS + 1)),
        "record.json": RECORD.text(record()),
        "evaluation/test/summary.json": json.dumps(summary()),
        "evaluation/test/cases.csv": CASES_CSV,
    }
    return {name: content.encode() for name, content in files.items()}


def experiment() -> dict[str, object]:
    return {
        "name": "demo",
        "workload": "brats",
        "task": {"network": "unet3d", "patch_size": [64, 64, 64], "augment": None, "mirror": False},
        "seed": 7,
        "epochs": NUM_EPOCHS,
        "batch_size": 2,
        "batch_rule": "fixed-global",
        "optimizer": {"name": "adamw", "learning_rate": 0.001},
    }


def epoch(number: int) -> dict[str, object]:
    reached = number / NUM_EPOCHS
    return {
        "epoch": number,
        "step": 10 * number,
        "loss": 1.25 - reached,
        "dice": 0.8 * reached,
        "dice_WT": 0.875 * reached,
        "dice_TC": 0.8 * reached,
        "dice_ET": 0.725 * reached,
        "samples_per_s": 1.32,
        "waiting_share": 0.01,
        "elapsed_s": 20.0 + 15 * number,
    }


def record() -> TrialRecord:
    return TrialRecord(
        name="demo",
        status="finished",
        experiment=experiment(),
        store="/data/store",
        num_workers=2,
        launcher="ray",
        device="cpu",
        global_batch_size=2,
        num_steps=120,
        num_parameters=351_809,
        numerics={
            "precision": "fp32",
            "channels_last": True,
            "measured_s": {"fp32": 0.912, "fp32+channels_last": 0.481},
        },
        timings=TIMINGS,
        samples_per_s=1.32,
        samples_per_s_per_worker=0.66,
        waiting_share=0.01,
        binding_limit="compute",
        metrics={"epoch": 11, "step": 110, "dice": 0.733},
        versions={"python": "3.11.2", "torch": "2.15.0"},
        scores=BRATS.scores,
        host={"name": "box", "num_cores": 2, "memory_bytes": 24 * 2**30},
    )


def summary() -> dict[str, object]:
    return {
        "split": "test",
        "num_cases": 3,
        "scores": {
            "dice": {"mean": 0.839, "low": 0.805, "high": 0.88, "num_cases": 3},
            "dice_WT": {"mean": 0.91, "low": 0.87, "high": 0.95, "num_cases": 3},
            "dice_TC": {"mean": 0.8133, "low": 0.74, "high": 0.88, "num_cases": 3},
            "dice_ET": {"mean": 0.77, "low": 0.73, "high": 0.81, "num_cases": 2},
            "hd95_mm_WT": {"mean": 2.75, "low": None, "high": None, "num_cases": 3},
        },
        "interval": "95% percentile bootstrap over cases, 10000 resamples",
        "conventions": ["an empty region counts as found", "means are over cases"],
    }


def png(width: int = 4, height: int = 3) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + bytes([96]) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
