"""What is damaged: files in a folder, who makes them and who reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Subject:
    """Files in a folder, and what is read of them."""

    make: Callable[[Path], object]
    """Writes them into the folder."""
    read: Callable[[Path], Any]
    """What comes of the folder, comparable; raises what the job would end with."""
    mutated: tuple[str, ...]
    """Their names in the folder."""
    is_sealed: bool = False
    """Whether damage can be told, so that what is read is what was written."""
    share: float = 1.0
    """How many mutations of those of others: reading it takes longer."""
