"""A cluster.yaml as it is delivered and filled in; what is told of machines, with ssh played."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.errors import ResourceError, UsageError
from app.execution.cluster import hosts
from app.execution.cluster.hosts import HostsFile, read_hosts_file

DELIVERED = (Path(__file__).parents[4] / "cluster.yaml").read_text()
FILLED = (
    DELIVERED.replace("HEAD_ADDRESS", "10.0.0.1")
    .replace("WORKER_1_ADDRESS, WORKER_2_ADDRESS", "10.0.0.2, 10.0.0.3")
    .replace("SSH_USER", "ann")
)


def read(folder: Path, text: str) -> HostsFile:
    path = folder / "cluster.yaml"
    path.write_text(text)
    return read_hosts_file(str(path))


def test_the_machines_of_a_file_that_is_filled_in(tmp_path: Path) -> None:
    found = read(tmp_path, FILLED)
    assert found.hosts == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert (found.head, found.user) == ("10.0.0.1", "ann")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DELIVERED, "fill in HEAD_ADDRESS, WORKER_1_ADDRESS, WORKER_2_ADDRESS, SSH_USER"),
        (FILLED.replace("10.0.0.3", "10.0.0.2"), "the same address twice"),
        (FILLED.replace("min_workers: 2", "min_workers: 1"), "expected 2 each"),
        (FILLED.replace("type: local", "type: aws"), "its provider is aws, expected local"),
        ("provider: 3", "no 'auth', expected all that cluster.yaml"),
        ("provider: 3\nauth: 4", "a part is not a table or list"),
        ("provider: [", "not YAML"),
        ("[" * 100_000, "not YAML"),
    ],
)
def test_a_file_that_can_not_work_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_hosts_file(str(tmp_path / "other.yaml"))
    with pytest.raises(UsageError) as error:
        read(tmp_path, text)
    assert told in str(error.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_bytes(b"provider: \xff\xfe")
    with pytest.raises(UsageError, match=r"cluster\.yaml: not YAML: "):
        read_hosts_file(str(tmp_path / "cluster.yaml"))


def test_all_that_is_sent_exists_and_is_no_whole_folder(tmp_path: Path) -> None:
    sources = [source for source in read(tmp_path, FILLED).mounts.values() if not source.startswith("~")]
    root = Path(__file__).parents[4]
    assert len(sources) > 5 and "." not in sources
    assert [source for source in sources if not (root / source).exists()] == []


def played(monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str, str]]) -> None:
    def ssh(_: HostsFile, host: str, command: str, timeout_s: float = 0.0) -> Any:
        return subprocess.CompletedProcess([command], *answers[host])

    monkeypatch.setattr(hosts, "_ssh", ssh)


def test_each_machine_that_lacks_something_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "ssh: connect to host 10.0.0.3 port 22: Connection refused"
    played(monkeypatch, {"10.0.0.1": (0, "", ""), "10.0.0.2": (0, "rsync\nmake\n", ""), "10.0.0.3": (255, "", refused)})
    with pytest.raises(ResourceError) as error:
        hosts.check_hosts(read(tmp_path, FILLED))
    first, second = str(error.value).split("; 10.0.0.3: ")
    assert first == "10.0.0.2: lacks rsync, make; install it there"
    assert second.startswith(refused) and "as ann" in second


def test_a_machine_on_which_ray_goes_on_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, {"10.0.0.1": (0, "", ""), "10.0.0.2": (1, "", ""), "10.0.0.3": (0, "", "")})
    with pytest.raises(ResourceError, match=r"^10\.0\.0\.2: Ray still runs$"):
        hosts.down(read(tmp_path, FILLED))


def test_a_machine_is_there_when_its_own_ray_runs_and_the_head_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The head's list has a machine on it for a minute after its Ray has ended."""
    nodes = [{"node_id": name, "state": state} for name, state in [("a1", "ALIVE"), ("b2", "ALIVE"), ("c3", "DEAD")]]
    raylet = "71 /x/raylet --node_manager_port=0 --node_id={} --head"
    answers = {
        "10.0.0.1": (0, raylet.format("a1"), ""),
        "10.0.0.2": (1, "", ""),
        "10.0.0.3": (0, raylet.format("c3"), ""),
    }

    def ssh(_: HostsFile, host: str, command: str, timeout_s: float = 0.0) -> Any:
        lists = command.startswith("ray list nodes")
        return subprocess.CompletedProcess([command], *((0, json.dumps(nodes), "") if lists else answers[host]))

    monkeypatch.setattr(hosts, "_ssh", ssh)
    with pytest.raises(ResourceError, match=r"^10\.0\.0\.2, 10\.0\.0\.3 not in the cluster"):
        hosts.status(read(tmp_path, FILLED))
    assert capsys.readouterr().out.splitlines() == [
        "10.0.0.1: joined (head)",
        "10.0.0.2: NOT joined: Ray does not run there",
        "10.0.0.3: NOT joined: Ray runs there, but not in the cluster of 10.0.0.1",
    ]
    answers["10.0.0.2"] = (0, raylet.format("b2"), "")
    answers["10.0.0.3"] = (255, "", "ssh: connect to host 10.0.0.3 port 22: Connection timed out")
    with pytest.raises(ResourceError, match=r"^10\.0\.0\.3 not in"):
        hosts.status(read(tmp_path, FILLED))
    assert "10.0.0.3: NOT joined: ssh: connect to host" in capsys.readouterr().out


def test_a_token_that_is_made_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))

    def generate(command: list[str], **_: Any) -> None:
        assert command[1:] == ["get-auth-token", "--generate"] and not token.exists()
        token.write_text("secret")
        token.chmod(0o644)

    monkeypatch.setattr(subprocess, "run", generate)
    hosts.make_token()
    hosts.make_token()
    assert token.stat().st_mode & 0o777 == 0o600 and token.read_text() == "secret"


def test_a_machine_with_another_version_is_told_with_both_versions() -> None:
    said = """Traceback (most recent call last):
      raise RuntimeError(error_message)
RuntimeError: Version mismatch: The cluster was started with:
    Ray: 2.60.0
    Python: 3.11.2
This process on node 10.0.0.2 was started with:
    Ray: 2.60.0
    Python: 3.12.1
"""
    told = hosts._reason(subprocess.CompletedProcess([], 1, "", said), "failed")
    assert told == (
        "RuntimeError: Version mismatch: The cluster was started with: Ray: 2.60.0 Python: 3.11.2 This process on node "
        "10.0.0.2 was started with: Ray: 2.60.0 Python: 3.12.1"
    )
    assert hosts._reason(subprocess.CompletedProcess([], 1, "", "one\ntwo\n"), "failed") == "two"
    assert hosts._reason(subprocess.CompletedProcess([], 1, "", ""), "failed") == "failed"
