"""What loggers wrote, read back as their own readers do."""

import json
from pathlib import Path
from typing import Any

Found = dict[str, dict[str, dict[int, float]]]
"""Trial -> metric -> step -> value."""


def read_mlflow(uri: str) -> tuple[Found, dict[str, str], dict[str, dict[str, str]]]:
    """Metrics, status and parameters of each run; fails where a step is there twice."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    found, status, options = {}, {}, {}
    for run in client.search_runs([experiment.experiment_id]):
        name = run.info.run_name
        assert name not in found, f"two runs of {name}"
        histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        found[name] = {key: {m.step: m.value for m in history} for key, history in histories.items()}
        assert all(len(history) == len(found[name][key]) for key, history in histories.items())
        status[name] = f"{run.info.status} {run.data.tags.get('status')}"
        options[name] = run.data.params
    return found, status, options


def wandb_records(path: Path) -> list[Any]:
    """Records of a .wandb file: after 7 bytes of header those of a LevelDB log, in blocks of 32 KiB, where each part
    has a checksum of 4 bytes, a length of 2 and a kind: 1 whole, 2 first, 3 middle, 4 last. wandb reads it in Go."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, records, parts = path.read_bytes(), 7, [], b""
    assert content[:4] == b":W&B"
    while position + 7 <= len(content):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        length, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            records.append(record)
            parts = b""
    return records


def read_wandb(folder: Path) -> tuple[Found, dict[str, set[str]], dict[str, dict[str, Any]], dict[str, list[int]]]:
    """Metrics, ids of runs, options and exit codes of each trial, over all its files; fails on a step twice."""
    found: Found = {}
    ids: dict[str, set[str]] = {}
    options: dict[str, dict[str, Any]] = {}
    ends: dict[str, list[int]] = {}
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        name = ""
        for record in wandb_records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run" and not name:
                name = record.run.display_name
                assert (record.run.project, record.run.run_group) == ("twofold", "s")
                ids.setdefault(name, set()).add(record.run.run_id)
                options[name] = {item.key: json.loads(item.value_json) for item in record.run.config.update}
            elif kind == "history":
                items = {(i.key or ".".join(i.nested_key)): json.loads(i.value_json) for i in record.history.item}
                for key, value in items.items():
                    if not key.startswith("_"):
                        values = found.setdefault(name, {}).setdefault(key, {})
                        assert items["_step"] not in values, f"step {items['_step']} twice"
                        values[items["_step"]] = value
            elif kind == "exit":
                ends.setdefault(name, []).append(record.exit.exit_code)
    return found, ids, options, ends
