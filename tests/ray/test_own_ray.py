"""A job's own Ray is open to nobody else: on loopback alone, and without its token no port of it does anything."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from app.execution.cluster import own_ray
from app.execution.cluster.own_folder import processes_of

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SERVERS = {"gcs_server", "raylet", "DashboardAgent", "RuntimeEnvAgent"}
WITHIN_S = 60
"""Its agents are up seconds after it."""

ASK = """
import http.client, json, sys
import grpc

METHODS = [
    "InternalKVGcsService/InternalKVGet", "InternalKVGcsService/InternalKVPut", "JobInfoGcsService/GetAllJobInfo",
    "NodeManagerService/GetNodeStats", "NodeManagerService/RequestWorkerLease", "ObjectManagerService/Push",
    "CoreWorkerService/PushTask", "CoreWorkerService/GetCoreWorkerStats", "LogService/ListLogs",
    "ReporterService/GetTraceback",
]

def answers(port, method):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/ray.rpc.{method}", request_serializer=bytes, response_deserializer=bytes)
        try:
            call(b"", timeout=10, metadata=METADATA)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"

def status(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
    except http.client.HTTPException:
        return None  # it speaks gRPC
    return "metrics" if "text/plain; version=" in answer.getheader("Content-Type", "") else answer.status

token, *ports = sys.argv[1:]
METADATA = [("authorization", f"Bearer {token}")] if token else []
print(json.dumps({
    port: {"grpc": {method: answers(port, method) for method in METHODS},
           "http": {path: status(port, path) for path in ("/", "/metrics", "/api/jobs/", "/get_runtime_envs_info")}}
    for port in map(int, ports)}))
"""


def processes() -> dict[int, str]:
    """Names of this Ray's processes, this one among them, by id."""
    found = {os.getpid(): "driver"}
    for pid in processes_of(own_ray.folder()) - {os.getpid()}:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        found[pid] = Path(command[0].decode()).name.removeprefix("ray::")
    return found


def listening() -> dict[int, tuple[str, str]]:
    """Port -> address and process, of all sockets on which this Ray listens."""
    owners = {}
    for pid, name in processes().items():
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                owners[os.readlink(link)] = name
            except OSError:
                continue
    found = {}
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in owners:  # LISTEN
                host, port = local.split(":")
                words = [int(host[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(host), 8)]
                found[int(port, 16)] = (socket.inet_ntop(family, b"".join(words)), owners[f"socket:[{inode}]"])
    return found


@pytest.fixture(scope="module")
def ports(ray_cluster: str) -> dict[int, tuple[str, str]]:
    ray.get(ray.remote(lambda: None).remote())  # a worker is there, too
    deadline = time.monotonic() + WITHIN_S
    while not {name for _, name in listening().values()} >= SERVERS:
        assert time.monotonic() < deadline, listening()
        time.sleep(0.5)
    time.sleep(1.0)  # an agent has several
    return listening()


def as_another(*command: str) -> subprocess.CompletedProcess[str]:
    """As another user where root can be one, else without what this one has in its environment."""
    other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run([*other, *command], env=bare, cwd="/", capture_output=True, text=True, timeout=180)


def test_it_listens_on_loopback_alone(ports: dict[int, tuple[str, str]]) -> None:
    assert "driver" in {name for _, name in ports.values()}
    assert {address for address, _ in ports.values()} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_no_port_answers_without_the_token(ports: dict[int, tuple[str, str]]) -> None:
    done = as_another(sys.executable, "-c", ASK, "", *map(str, ports))
    assert done.returncode == 0, done.stderr
    refused = set()
    for port, found in json.loads(done.stdout).items():
        name, codes, statuses = ports[int(port)][1], set(found["grpc"].values()), set(found["http"].values())
        if statuses == {None}:
            assert codes == {"UNAUTHENTICATED", "UNIMPLEMENTED"}, (name, found)
            refused.add(name)
        elif statuses != {"metrics"}:  # which are open, on loopback
            assert codes == {"UNAVAILABLE"} and statuses <= {401, 403}, (name, found)
            refused.add(name)
    assert refused >= SERVERS | {"driver"}


def test_with_it_they_do(ports: dict[int, tuple[str, str]], ray_cluster: str) -> None:
    """So it is the token that was missing."""
    port = ray_cluster.rsplit(":", 1)[1]
    done = as_another(sys.executable, "-c", ASK, own_ray._TOKEN, port)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[port]["grpc"]["JobInfoGcsService/GetAllJobInfo"] == "OK"


def test_ray_s_own_client_is_refused(ray_cluster: str) -> None:
    """The way in that was found: another user's code in the place of a pickled function."""
    client = f"""
from ray._raylet import GcsClient
try:
    GcsClient(address="{ray_cluster}").internal_kv_put(b"a", b"b", True, b"fun")
except Exception as error:
    print(type(error).__name__)
"""
    done = as_another(sys.executable, "-c", client)
    assert done.stdout.strip() == "AuthenticationError", done


def test_its_files_and_its_token_are_its_owner_s(ports: dict[int, tuple[str, str]]) -> None:
    folder = Path(own_ray.folder())
    assert folder.stat().st_mode & 0o077 == 0
    token = own_ray._TOKEN.encode()
    assert not [path for path in folder.rglob("*") if path.is_file() and token in path.read_bytes()]
    for pid in processes():
        assert token not in Path(f"/proc/{pid}/cmdline").read_bytes()
    if os.geteuid() == 0:
        assert as_another("ls", str(folder)).returncode != 0
        others = [as_another("cat", f"/proc/{pid}/environ") for pid in processes()]
        assert [done.stdout for done in others if done.returncode == 0] == []


def test_what_the_user_has_for_a_cluster_stays(ray_cluster: str) -> None:
    assert not {"RAY_AUTH_TOKEN", "RAY_AUTH_MODE"} & set(os.environ)
