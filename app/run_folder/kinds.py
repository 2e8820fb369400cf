"""A kind of file: its name in a folder, how its content is written, and how it is read and checked."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app import checksum
from app.configuration import to_dict
from app.data import files
from app.printable import redacted
from app.strict_json import parse_as

T = TypeVar("T")


@dataclass(frozen=True)
class JsonFile(Generic[T]):
    """A file with one JSON value, there whole or not at all."""

    name: str
    """Relative to the folder."""
    make: Callable[[Any], T]
    """From plain JSON values; raises UsageError on a wrong one."""
    is_sealed: bool = False
    """Whether it is written with a checksum (app.checksum)."""
    any_number: bool = False
    """Whether its numbers may be NaN or infinite, as scores are."""
    indent: int | None = 1
    keeps_passwords: bool = False
    """Whether URLs in it keep their passwords, because the trial uses what is read back; else they are hidden."""

    def path(self, folder: str) -> str:
        return files.join(folder, self.name)

    def exists(self, folder: str) -> bool:
        return files.exists(self.path(folder))

    def parse(self, content: bytes, where: str | None = None) -> T:
        """Raises DamagedFileError, which names `where`, or else the file's name."""
        where = where or self.name
        checksum.check(content, where)
        return parse_as(lambda value: self.make(_without_checksum(value)), content, where, self.any_number)

    def read(self, folder: str) -> T:
        """Raises DataError: it is missing, or damaged."""
        path = self.path(folder)
        return self.parse(files.read_bytes(path), path)

    def find(self, folder: str) -> T | None:
        """As `read`; None where the file is not there."""
        return self.read(folder) if self.exists(folder) else None

    def text(self, value: T) -> str:
        """What `write` writes."""
        plain = to_dict(value) if self.keeps_passwords else redacted(to_dict(value))
        if not self.is_sealed:
            return json.dumps(plain, indent=self.indent) + "\n"
        unsealed = json.dumps({**plain, checksum.KEY: checksum.PLACEHOLDER}, indent=self.indent) + "\n"
        return checksum.sealed(unsealed.encode()).decode()

    def write(self, folder: str, value: T) -> None:
        """Raises DataError: the folder cannot be written, or is full."""
        files.write_bytes_atomic(self.path(folder), self.text(value).encode())

    def remove(self, folder: str) -> None:
        files.remove(self.path(folder))


@dataclass(frozen=True)
class JsonLines(Generic[T]):
    """A file with a JSON value a line, which grows; a last line without its end is of a process that was killed while
    it wrote it, and is left out."""

    name: str
    make: Callable[[Any], T]
    any_number: bool = False

    def path(self, folder: str) -> str:
        return files.join(folder, self.name)

    def parse(self, content: bytes, where: str | None = None) -> list[T]:
        """Raises DamagedFileError, which names the line."""
        where, found = where or self.name, []
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            found.append(parse_as(self.make, line, f"{where}, line {number}", self.any_number))
        return found

    def read(self, folder: str) -> list[T]:
        """All whole lines; none where the file is not there. Raises DamagedFileError."""
        path = self.path(folder)
        return self.parse(files.read_bytes(path), path) if files.exists(path) else []

    def write(self, folder: str, values: Iterable[T]) -> None:
        """All lines in place of those that there are."""
        files.write_bytes_atomic(self.path(folder), self.text(values).encode())

    def append(self, folder: str, values: Iterable[T]) -> None:
        """Lines after the last whole one, on disk when this returns; object stores cannot append, so there the whole
        file is written again."""
        path, lines = self.path(folder), self.text(values).encode()
        if files.is_url(path):
            before = files.read_bytes(path) if files.exists(path) else b""
            files.write_bytes_atomic(path, before[: _end(before)] + lines)
            return
        with files.explained("write", path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "a+b") as file:
                file.seek(max(0, file.tell() - 1))
                if file.read() not in (b"", b"\n"):
                    file.seek(0)
                    file.truncate(_end(file.read()))
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())

    @staticmethod
    def text(values: Iterable[T]) -> str:
        """What `write` and `append` write."""
        return "".join(f"{json.dumps(redacted(to_dict(value)))}\n" for value in values)


def _end(content: bytes) -> int:
    """Where the last whole line ends."""
    return content.rfind(b"\n") + 1


def _without_checksum(value: Any) -> Any:
    return {k: v for k, v in value.items() if k != checksum.KEY} if isinstance(value, dict) else value
