"""Who has no token gets nothing, and what listens is what docs/cluster.md lists."""

import re

import pytest
from cluster_hosts import HEAD, ROOT, Hosts

pytestmark = pytest.mark.timeout(300)

OPEN_TO_PEERS = {"metrics": (8080, 44217, 44227)}
"""Ports that answer HTTP without a token."""


@pytest.mark.parametrize(
    ("header", "refusal"), [("", "401"), ("-H 'Authorization: Bearer 0123456789abcdef0123456789abcdef'", "403")]
)
def test_the_job_server_refuses_who_has_no_token_or_another(cluster: Hosts, header: str, refusal: str) -> None:
    status = "curl -s -o /dev/null -w %{http_code}"
    url = "http://localhost:8265/api/jobs/"
    assert cluster.must("client", f"{status} {header} {url}").strip() == refusal
    right = '-H "Authorization: Bearer $(cat ~/.ray/auth_token)"'
    assert cluster.must("client", f"{status} {right} {url}").strip() == "200"


@pytest.mark.parametrize("token", ["RAY_AUTH_MODE=disabled", "RAY_AUTH_TOKEN=0123456789abcdef0123456789abcdef"])
def test_a_job_without_the_token_ends_with_one_line(cluster: Hosts, token: str) -> None:
    done = cluster.run("client", f"{token} python jobs/submit.py --address http://localhost:8265 -- python -V")
    assert done.returncode == 4
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and "token" in line


def test_the_dashboard_listens_on_loopback_alone(cluster: Hosts) -> None:
    listening = cluster.must("head", "ss -Hltn 'sport = :8265'").split()
    assert listening[3] == "127.0.0.1:8265"
    assert cluster.run("worker1", f"curl -s -m 5 http://{HEAD}:8265").returncode == 7


def test_what_answers_without_a_token_is_what_the_docs_list(cluster: Hosts) -> None:
    """Every port that other hosts reach is asked by HTTP; only gauges answer."""
    listening = cluster.must("head", "ss -Hltn | awk '{print $4}' | grep -v '^127\\.' | grep -v '^\\[::1\\]'")
    ports = sorted({int(line.rsplit(":", 1)[1]) for line in listening.split()} - {22})
    assert len(ports) > 3
    ask = "for port in {}; do echo $port $(curl -s -m 5 -o /dev/null -w %{{http_code}} http://{}:$port/); done"
    told = cluster.must("worker1", ask.format(" ".join(map(str, ports)), HEAD))
    answered = {int(port) for port, code in re.findall(r"(\d+) (\d+)", told) if code == "200"}
    assert answered <= set(OPEN_TO_PEERS["metrics"])
    docs = (ROOT / "docs" / "cluster.md").read_text()
    assert [port for port in answered if f"{port}" not in docs] == []
