"""Names of a search's trials: readable, of their own on any disk, and the same each time."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from app.configuration import to_dict

NUM_BYTES = 120
"""Longer ones are cut: names stand in paths, tables and charts."""
NUM_HASH_DIGITS = 12
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
NUM_DIGITS = range(4, 18)
"""Significant digits of a number, at first four; seventeen tell any two apart."""


def names_of(chosen: Sequence[Mapping[str, Any]], prefix: str = "", numbered: bool = False) -> list[str]:
    """Each trial's name from its values by path: `learning_rate=0.01+loss=dice`, after its number where `numbered`.

    Where two would be alike but for their case, or one is too long, a digest of the values tells them apart.
    """
    paths = list(dict.fromkeys(path for values in chosen for path in values))
    labels = {path: _label(path, paths) for path in paths}
    shown = {path: _shown([values[path] for values in chosen if path in values]) for path in paths}
    names = []
    for number, values in enumerate(chosen):
        settings = "+".join(f"{labels[path]}={shown[path][_key(value)]}" for path, value in values.items())
        names.append(f"{prefix}{number:03d}+{settings}" if numbered else f"{prefix}{settings}")
    alike = Counter(name.lower() for name in names)
    return [
        name if len(name) <= NUM_BYTES and alike[name.lower()] == 1 else _short(name, values)
        for name, values in zip(names, chosen, strict=True)
    ]


def _short(name: str, values: Mapping[str, Any]) -> str:
    digest = hashlib.sha256((name + _key(values)).encode()).hexdigest()[:NUM_HASH_DIGITS]
    return f"{name[: NUM_BYTES - NUM_HASH_DIGITS - 1]}-{digest}"


def _key(value: Any) -> str:
    return json.dumps(to_dict(value), sort_keys=True)


def _label(path: str, paths: Sequence[str]) -> str:
    """As many of the path's last parts as no other path ends with."""
    parts = path.split(".")
    for number in range(1, len(parts)):
        end = ".".join(parts[-number:])
        if not any(other != path and f".{other}".endswith(f".{end}") for other in paths):
            return end
    return path


def _shown(values: Sequence[Any]) -> dict[str, str]:
    """Each value as part of a name, with as many digits as set those of one option apart."""
    by_key = {_key(value): value for value in values}
    found: dict[str, str] = {}
    for digits in NUM_DIGITS:
        found = {key: _text(value, digits) for key, value in by_key.items()}
        if len(set(found.values())) == len(found):
            break
    return found


def _text(value: Any, digits: int) -> str:
    text = f"{value:.{digits}g}" if isinstance(value, float) else str(value)
    return "".join(character if character in PLAIN else "_" for character in text).strip("_")
