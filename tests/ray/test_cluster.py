"""The shared cluster itself, and how errors come out of it."""

import pytest

from app.command_line import run
from app.errors import DataError


def refuse(row: dict[str, int]) -> dict[str, int]:
    raise DataError(f"case {row['id']} is unreadable")


def test_the_cluster_has_slots_for_workers_and_cpus_to_spare(ray_cluster: str) -> None:
    import ray

    resources = ray.cluster_resources()
    assert ":" in ray_cluster
    assert resources["CPU"] >= resources["core"] + 2


def test_a_data_error_in_ray_data_ends_a_job_with_its_own_line(
    ray_cluster: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray.data

    # Else Ray Data raises an error of its own, and only the text of ours comes back from the worker.
    monkeypatch.setattr(ray.data.DataContext.get_current(), "raise_original_map_exception", True)

    def main(arguments: object) -> None:
        ray.data.range(1).map(refuse, num_cpus=0.5).materialize()

    with pytest.raises(SystemExit) as caught:
        run(dict, main, [])
    assert caught.value.code == DataError.exit_code
    assert capfd.readouterr().err.splitlines()[-1] == "error: case 0 is unreadable"
