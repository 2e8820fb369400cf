"""Downloads against a server on this machine that breaks off, ignores ranges, refuses or changes its mind."""

import hashlib
import http.server
import re
import shutil
import socket
import threading
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.data.fetch import download as module
from app.data.fetch.download import Checksum, download, local_path
from app.errors import DataError, ResourceError, UsageError
from app.printable import printable

CONTENT = bytes(range(256)) * 2000
MD5 = Checksum(md5=hashlib.md5(CONTENT).hexdigest())
HALF = len(CONTENT) // 2


@dataclass
class Behaviour:
    """What the server does; requests are answered in order, the last plan again and again."""

    content: bytes = CONTENT
    ranges: bool = True
    cut_after: list[int | None] = field(default_factory=lambda: [None])
    statuses: list[int] = field(default_factory=list)
    """Answered before anything else."""
    etag: str | None = None
    tells_size: bool = True
    seen_ranges: list[str | None] = field(default_factory=list)
    seen_authorizations: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    behaviour = Behaviour()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            answer(self, behaviour)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        behaviour.url = f"http://127.0.0.1:{httpd.server_port}/file.tar"
        yield behaviour
        httpd.shutdown()
        thread.join()


def answer(request: http.server.BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
    wanted = request.headers.get("Range")
    behaviour.seen_ranges.append(wanted)
    behaviour.seen_authorizations.append(request.headers.get("Authorization"))
    if behaviour.statuses:
        request.send_error(behaviour.statuses.pop(0))
        return
    size, start = len(behaviour.content), 0
    changed = request.headers.get("If-Range", behaviour.etag) != behaviour.etag
    if wanted and behaviour.ranges and not changed:
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        assert match
        start = int(match.group(1))
        if start >= size:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{size}")
            request.end_headers()
            return
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    else:
        request.send_response(200)
    if behaviour.etag:
        request.send_header("ETag", behaviour.etag)
    if behaviour.tells_size:
        request.send_header("Content-Length", str(size - start))
    request.end_headers()
    cut = behaviour.cut_after.pop(0) if len(behaviour.cut_after) > 1 else behaviour.cut_after[0]
    request.wfile.write(behaviour.content[start:][:cut])


def fetch(server: Behaviour, target: Path, checksum: Checksum = MD5, num_attempts: int = 3) -> Path:
    return download(server.url, target, checksum, timeout_s=5, num_attempts=num_attempts, backoff_s=0.001)


def test_whole_file_in_a_new_folder(server: Behaviour, tmp_path: Path) -> None:
    target = fetch(server, tmp_path / "new" / "file.tar")
    assert target.read_bytes() == CONTENT
    assert [p.name for p in target.parent.iterdir()] == ["file.tar"]
    fetch(server, target)
    assert server.seen_ranges == [None]  # the second call asked for nothing


def test_broken_connections_go_on_at_the_byte_that_is_missing(server: Behaviour, tmp_path: Path) -> None:
    server.cut_after = [1000, 0, 500, 0, None]  # never three times in a row without a byte
    assert fetch(server, tmp_path / "file.tar").read_bytes() == CONTENT
    assert server.seen_ranges == [None, "bytes=1000-", "bytes=1000-", "bytes=1500-", "bytes=1500-"]


def test_what_an_earlier_call_left_is_used(server: Behaviour, tmp_path: Path) -> None:
    (tmp_path / "file.tar.part").write_bytes(CONTENT[:HALF])
    assert fetch(server, tmp_path / "file.tar").read_bytes() == CONTENT
    assert server.seen_ranges == [f"bytes={HALF}-"]


def test_without_a_checksum_an_earlier_part_is_not_trusted(server: Behaviour, tmp_path: Path) -> None:
    (tmp_path / "file.tar.part").write_bytes(b"x" * HALF)
    assert fetch(server, tmp_path / "file.tar", Checksum()).read_bytes() == CONTENT
    assert server.seen_ranges == [None]


def test_part_of_another_file_starts_over(server: Behaviour, tmp_path: Path) -> None:
    (tmp_path / "file.tar.part").write_bytes(b"x" * HALF)
    assert fetch(server, tmp_path / "file.tar").read_bytes() == CONTENT
    assert server.seen_ranges == [f"bytes={HALF}-", None]


def test_server_that_ignores_ranges_sends_all_again(server: Behaviour, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.tar.part").write_bytes(CONTENT[:HALF])
    assert fetch(server, tmp_path / "file.tar").read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [b"", b"too long"])
def test_part_that_is_whole_or_longer(server: Behaviour, tmp_path: Path, extra: bytes) -> None:
    """The server answers 416: nothing is there to send; a longer part is of another file."""
    (tmp_path / "file.tar.part").write_bytes(CONTENT + extra)
    assert fetch(server, tmp_path / "file.tar").read_bytes() == CONTENT
    assert len(server.seen_ranges) == (2 if extra else 1)


def test_file_that_changes_on_the_server_is_not_mixed(server: Behaviour, tmp_path: Path) -> None:
    server.etag, server.cut_after = '"one"', [1000, None]
    new = CONTENT[::-1]
    original = module._write

    def change_after_first_bytes(*arguments: object) -> int:
        server.etag, server.content = '"two"', new
        return original(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_write", change_after_first_bytes)
        target = fetch(server, tmp_path / "file.tar", Checksum())
    assert target.read_bytes() == new


def test_size_that_is_not_told(server: Behaviour, tmp_path: Path) -> None:
    server.tells_size = False
    assert fetch(server, tmp_path / "file.tar").read_bytes() == CONTENT


def test_server_that_is_busy_is_asked_again(server: Behaviour, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert fetch(server, tmp_path / "file.tar").read_bytes() == CONTENT


def test_giving_up_keeps_what_is_there(server: Behaviour, tmp_path: Path) -> None:
    server.cut_after = [1000, 0]
    with pytest.raises(DataError, match=r"ended at 1000 of 512000 bytes, 3 times in a row; 1000 bytes are kept"):
        fetch(server, tmp_path / "file.tar")
    assert (tmp_path / "file.tar.part").read_bytes() == CONTENT[:1000]
    assert not (tmp_path / "file.tar").exists()


def test_refusal_is_final(server: Behaviour, tmp_path: Path) -> None:
    server.statuses = [404]
    with pytest.raises(DataError, match=r"file\.tar: the server answered 404 Not Found; check the address"):
        fetch(server, tmp_path / "file.tar")
    assert len(server.seen_ranges) == 1


def test_wrong_checksum_leaves_nothing(server: Behaviour, tmp_path: Path) -> None:
    wrong = Checksum(sha256="0" * 64)
    with pytest.raises(DataError, match=f"its sha256 is {hashlib.sha256(CONTENT).hexdigest()}, expected 0000"):
        fetch(server, tmp_path / "file.tar", wrong)
    assert list(tmp_path.iterdir()) == []


def test_damaged_file_that_is_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file.tar").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"file\.tar is there but its md5 is .*; delete it and run again"):
        download("http://127.0.0.1:1/file.tar", tmp_path / "file.tar", MD5)


def test_disk_without_room(server: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(len(CONTENT) - 1))
    with pytest.raises(ResourceError, match=r"needs 0\.0 GB more"):
        fetch(server, tmp_path / "file.tar")


@pytest.mark.parametrize("left", [b"", CONTENT[:HALF]])
def test_offline_is_one_line_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes) -> None:
    """Whether or not an earlier call got some of it; no waiting, for nobody answers."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module.time, "sleep", lambda seconds: pytest.fail("waited"))
    if left:
        (tmp_path / "file.tar.part").write_bytes(left)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file.tar"
        with pytest.raises(DataError, match=r"cannot reach 127\.0\.0\.1:\d+: no connection .*file:///path") as caught:
            download(url, tmp_path / "file.tar", MD5)
    assert "\n" not in str(caught.value)


def test_silent_server_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.tar"
        with pytest.raises(DataError, match="timed out"):
            download(url, tmp_path / "file.tar", MD5, timeout_s=0.05, num_attempts=2, backoff_s=0.001)


def test_file_addresses(tmp_path: Path) -> None:
    source = tmp_path / "a b.tar"
    source.write_bytes(CONTENT)
    (tmp_path / "copy.tar.part").write_bytes(CONTENT[:HALF])
    assert download(source.as_uri(), tmp_path / "copy.tar", MD5).read_bytes() == CONTENT
    assert local_path(source.as_uri()) == source
    assert local_path("https://host/x") is None
    with pytest.raises(DataError, match=r"no such file: .*/nowhere"):
        download("file:///nowhere", tmp_path / "other")


def test_other_addresses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="got the address ftp://host/x, expected one that begins with https://"):
        download("ftp://host/x", tmp_path / "x")


def test_a_password_in_the_address_goes_to_the_server_and_nowhere_else(server: Behaviour, tmp_path: Path) -> None:
    url = server.url.replace("://", "://me:SE%2FCRET@")
    download(url, tmp_path / "file.tar", MD5)
    assert server.seen_authorizations == ["Basic bWU6U0UvQ1JFVA=="]  # base64 of me:SE/CRET, as RFC 7617 has it
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://me:SECRET@127.0.0.1:{unused.getsockname()[1]}/a"
        with pytest.raises(DataError) as raised:
            download(address, tmp_path / "a", MD5)
    assert "SECRET" not in printable(str(raised.value))
