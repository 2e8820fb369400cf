"""Ray's dashboard in a browser on the client, its token dialog included, while a study runs on two hosts.

With TWOFOLD_PICTURES=FOLDER the pictures are kept there (docs/dashboard.png is one of them).
"""

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
from cluster_hosts import HEAD, SHARED, WORKER, Hosts, until
from slow_studies import num_epochs, put_study, put_workload, study_command, submitted

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed (make setup installs it)"),
]

WORDS = {"cluster": WORKER, "jobs": "study-shown", "actors": "TrialTrainable(shown"}
"""What is waited for on each page."""


def test_the_dashboard_shows_a_study_on_two_hosts_to_who_has_the_token(cluster: Hosts) -> None:
    put_workload(cluster)
    put_study(cluster, "shown", 4, 0.5)
    pictures = cluster.shared / "pictures"
    pictures.mkdir()
    with submitted(cluster, study_command("shown")) as job:
        until(lambda: all(num_epochs(cluster, "shown", f"t{n}") >= 2 for n in range(4)), 180, job.told)
        look = f"python tests/cluster/dashboard_pages.py http://localhost:8265 {shlex.quote(json.dumps(WORDS))}"
        groups = cluster.dashboard("v0/placement_groups?limit=100")["data"]["result"]["result"]
        shown = json.loads(cluster.must("client", f"{look} {SHARED}/pictures", 300))
        assert job.ends(300) == 0, job.told()
    if "TWOFOLD_PICTURES" in os.environ:
        shutil.copytree(pictures, Path(os.environ["TWOFOLD_PICTURES"]), dirs_exist_ok=True)
    assert "Authentication Token Required" in shown["token"] and HEAD not in shown["token"]
    assert "Authentication Token Required" in shown["wrong token"] and HEAD not in shown["wrong token"]
    assert all(address in shown["cluster"] for address in (HEAD, WORKER)) and "ALIVE" in shown["cluster"]
    assert "study-shown-" in shown["jobs"] and "RUNNING" in shown["jobs"]
    assert all(f"TrialTrainable(shown:stage1:t{number})" in shown["actors"] for number in range(4))
    names = [group["name"] for group in groups if group["state"] == "CREATED"]
    assert sorted(name.rsplit(":", 1)[0] for name in names) == [f"shown:stage1:t{number}" for number in range(4)]
    assert all(address in shown["actors"] for address in (HEAD, WORKER))
    assert (pictures / "cluster.png").stat().st_size > 10_000
