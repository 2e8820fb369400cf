"""Download one large file: resumes where it stopped, is checked before it gets its name, never hangs.

The bytes gather in `<target>.part`; an HTTP Range request asks for the rest of it. Where a checksum is known, a part
that an earlier call left is used; where none is, nothing could tell whether it is of the same file, so it is not.
"""

import base64
import hashlib
import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.console import progress, say
from app.errors import DataError, ResourceError, UsageError
from app.strict_json import whole_number

CHUNK_BYTES = 2**20
TIMEOUT_S = 30.0
"""Timeout of a connection and of each read (assumed: a server that is silent for longer has lost us)."""
NUM_ATTEMPTS = 5
"""In a row without a single new byte, before giving up (assumed)."""
BACKOFF_S = 1.0
"""Waited before the second attempt; doubled before each further one."""
TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
"""HTTP answers that may be another one soon (RFC 9110, 15.5 and 15.6; RFC 6585 for 429; RFC 8470 for 425)."""


@dataclass(frozen=True)
class Checksum:
    """What the file's bytes must hash to, in hexadecimal; an empty value checks nothing."""

    md5: str | None = None
    sha256: str | None = None

    def __bool__(self) -> bool:
        return bool(self.md5 or self.sha256)

    def mismatch(self, path: Path) -> str | None:
        """What is wrong with the file, as words; None: nothing is."""
        for name, wanted in (("md5", self.md5), ("sha256", self.sha256)):
            if wanted:
                with path.open("rb") as file:
                    seen = hashlib.file_digest(file, name).hexdigest()
                if seen != wanted.lower():
                    return f"its {name} is {seen}, expected {wanted}"
        return None


@dataclass(frozen=True)
class Source:
    """Bytes of a file from `start` on; `validator` tells this version of it from others (an ETag or a date)."""

    stream: IO[bytes]
    start: int
    num_bytes: int | None
    """Size of the whole file; None: the server did not say."""
    validator: str | None


class _Interrupted(Exception):
    """The connection ended or the server was not ready; the next attempt may do."""


class _Unreachable(_Interrupted):
    """No connection at all. At the first contact that is no passing fault: the machine is offline."""


def download(
    url: str,
    target: Path,
    checksum: Checksum = Checksum(),
    timeout_s: float = TIMEOUT_S,
    num_attempts: int = NUM_ATTEMPTS,
    backoff_s: float = BACKOFF_S,
) -> Path:
    """Bring the file at `url` (http, https or file) to `target`; one that is there already is only checked.

    Raises:
        UsageError: an address of another kind.
        DataError: the host cannot be reached, the server refuses, the connection fails again and again, or the
            checksum differs.
        ResourceError: the disk has too little room.
    """
    if target.exists():
        if wrong := checksum.mismatch(target):
            raise DataError(f"{target} is there but {wrong}; delete it and run again")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if not checksum:
        part.unlink(missing_ok=True)
    resumed = _size(part) > 0
    _receive(url, part, timeout_s, num_attempts, backoff_s)
    wrong = checksum.mismatch(part)
    if wrong and resumed:
        say(f"{target.name}: {wrong}: what an earlier download left is of another file; starting over")
        part.unlink()
        _receive(url, part, timeout_s, num_attempts, backoff_s)
        wrong = checksum.mismatch(part)
    if wrong:
        part.unlink()
        raise DataError(f"{url} is not the expected file: {wrong}; check the address and the checksum")
    os.replace(part, target)
    return target


def local_path(url: str) -> Path | None:
    """The path that a file:// address names; None for other addresses.

    Raises:
        DataError: no such file.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "file":
        return None
    path = Path(urllib.request.url2pathname(parts.path))
    if not path.is_file():
        raise DataError(f"{url}: no such file: {path}")
    return path


def _receive(url: str, part: Path, timeout_s: float, num_attempts: int, backoff_s: float) -> None:
    """Append to `part` until the file is whole; try again while attempts bring new bytes, or some more times."""
    num_failures = 0
    validator = None
    answered = False
    while True:
        num_before = _size(part)
        try:
            with _open(url, num_before, validator, timeout_s) as source:
                validator = source.validator
                _copy(source, part)
            return
        except _Interrupted as error:
            if isinstance(error, _Unreachable) and not answered:
                host = urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
                raise DataError(
                    f"cannot reach {host}: {error}; check the network or its proxy, or "
                    f"download {url} elsewhere and name the file as file:///path"
                ) from error
            answered = True
            num_failures = 1 if _size(part) > num_before else num_failures + 1
            if num_failures >= num_attempts:
                kept = f"{_size(part)} bytes are kept in {part}"
                raise DataError(f"{url}: {error}, {num_failures} times in a row; {kept}: try again later") from error
            wait_s = backoff_s * 2 ** (num_failures - 1)
            say(f"{part.stem}: {error}; trying again in {wait_s:g} s")
            time.sleep(wait_s)


@contextmanager
def _open(url: str, start: int, validator: str | None, timeout_s: float) -> Iterator[Source]:
    path = local_path(url)
    if path is not None:
        with path.open("rb") as file:
            num_bytes = path.stat().st_size
            start = start if start <= num_bytes else 0
            file.seek(start)
            yield Source(file, start, num_bytes, None)
        return
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"got the address {url}, expected one that begins with https://, http:// or file:///")
    response = _request(url, start, validator, timeout_s)
    if response is None:  # there is nothing after `start`
        with open(os.devnull, "rb") as nothing:
            yield Source(nothing, start, start, validator)
        return
    with response:
        try:
            yield _as_source(response, start)
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            raise _Interrupted(f"the connection broke ({error or type(error).__name__})") from error


def _request(url: str, start: int, validator: str | None, timeout_s: float) -> http.client.HTTPResponse | None:
    """Ask for the bytes from `start` on; None: the file ends there."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator  # another version since: the server sends all of it (RFC 9110, 13.1.5)
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(_as_request(url, headers), timeout=timeout_s)
        return response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            length = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if length and whole_number(length.group(1)) == start:
                return None
            return _request(url, 0, None, timeout_s)
        if error.code in TRANSIENT_STATUS:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from error
        raise DataError(f"{url}: the server answered {error.code} {error.reason}; check the address") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        kind = _Interrupted if isinstance(error, http.client.HTTPException) else _Unreachable
        raise kind(f"no connection ({reason})") from error
    except ValueError as error:  # http.client.InvalidURL and the like
        raise UsageError(f"the address {url} is wrong: {error}") from error


def _as_request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    """User and password of an address go into a header, as urllib would take them for a part of the host's name; never
    on to another host that the answer names."""
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl() if at else url, headers=headers)
    if at:
        token = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _as_source(response: http.client.HTTPResponse, asked_from: int) -> Source:
    """Read the answer's headers: the rest of the file (206), or all of it where the server ignores ranges (200)."""
    validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if validator and validator.startswith("W/"):
        validator = None  # a weak ETag may not be used for ranges
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not found or whole_number(found.group(1)) != asked_from:
            seen = response.headers.get("Content-Range")
            raise DataError(f"{response.url}: asked for the bytes from {asked_from} on, got the range {seen}")
        return Source(response, asked_from, whole_number(found.group(2)), validator)  # None: `*`
    return Source(response, 0, whole_number(response.headers.get("Content-Length", "")), validator)


def _copy(source: Source, part: Path) -> None:
    """Write the source's bytes to `part` from source.start on; on return they are on the disk."""
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(source.start)
        file.seek(source.start)
        if source.num_bytes is None:
            say(f"{part.stem}: the server does not tell the size")
            num_done = sum(_write(file, chunk, part) for chunk in _chunks(source.stream))
        else:
            require_space(part.parent, source.num_bytes - source.start, part.stem)
            num_done = _copy_showing(source, source.num_bytes - source.start, file, part)
        file.flush()
        os.fsync(file.fileno())
    if source.num_bytes is not None and source.start + num_done < source.num_bytes:
        raise _Interrupted(f"the connection ended at {source.start + num_done} of {source.num_bytes} bytes")


def _copy_showing(source: Source, num_left: int, file: IO[bytes], part: Path) -> int:
    num_done = 0
    start_s = time.monotonic()
    with progress(f"{part.stem} (MiB)", -(-num_left // CHUNK_BYTES)) as advance:
        for chunk in _chunks(source.stream):
            num_shown = -(-num_done // CHUNK_BYTES)
            num_done += _write(file, chunk, part)
            rate = num_done / max(time.monotonic() - start_s, 1e-3) / 2**20
            advance(-(-num_done // CHUNK_BYTES) - num_shown, f"{rate:.1f} MiB/s")
    return num_done


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """What each read gives; never waits for a whole chunk, so that a broken connection loses nothing."""
    read = getattr(stream, "read1", stream.read)
    while chunk := read(CHUNK_BYTES):
        yield chunk


def _write(file: IO[bytes], chunk: bytes, part: Path) -> int:
    try:
        return file.write(chunk)
    except OSError as error:
        raise ResourceError(f"cannot write {part}: {error.strerror}; what is there is kept") from error


def require_space(folder: Path, num_bytes: int, what: str) -> None:
    """Raises ResourceError when the folder's disk has less room than this."""
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise ResourceError(
            f"{what} needs {num_bytes / 1e9:.1f} GB more, {folder} has {free / 1e9:.1f} GB free; name another place"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
